# SPDX-License-Identifier: Apache-2.0
"""What is to be shown of the unit. Each step says in one line what was shown, or fails."""

import os
import statistics
import threading
import time

import agent as agents
from kafka_cluster import Cluster
from names import NameServer
from receiver import Fault, Receiver
from service import LOG, STATE, UNIT, expect, has_event, line

GROUP_LIMIT, CAPABILITY_LIMIT = 1.5, 1.7
READY_LIMIT = 200.0
IDLE_CORE_LIMIT = 0.003
IDLE_BYTE_LIMIT = 24e6
STARTS = 9
SHORT_WATCHDOG = "WatchdogSec=3s"
SECRET, NEXT_SECRET = "bm90LWEtcmVhbC1rZXk", "YWxzby1ub3QtcmVhbA"


def written(service, user, owner, mode):
    """A log with one line in it."""
    service.machine.write(LOG, line(user), owner, mode)


def deliver(service, receiver, user):
    """Waits for the event of the line that names this user."""
    receiver.wait(lambda it: has_event(it, user), 20, f"the event of {user}")


def show_read_and_watchdog(service, receiver, user):
    """The line came; then a frozen process is ended by the watchdog and its successor reads on."""
    deliver(service, receiver, user)
    process = service.process()
    expect(process["Uid"].split()[0] != "0", f"the agent runs as root: {process['Uid']}")
    taken = service.freeze()
    service.machine.append(LOG, line(user + "-again"))
    deliver(service, receiver, user + "-again")
    expect("Watchdog timeout" in service.journal(), "the journal does not name the watchdog")
    expect(service.value("NRestarts") == "1", f"restarts: {service.value('NRestarts')}")
    return process, taken


def by_group(service):
    """A log of keycloak:adm 0640 is read by group."""
    with Receiver() as receiver:
        service.configure([agents.elasticsearch_sink(receiver)])
        written(service, "by-group", "keycloak:adm", 0o640)
        service.drop_in("watchdog", SHORT_WATCHDOG)
        service.start()
        process, taken = show_read_and_watchdog(service, receiver, "by-group")
        expect(int(process["CapPrm"], 16) == 0, f"capabilities: {process['CapPrm']}")
        exposure = service.exposure()
        expect(exposure <= GROUP_LIMIT, f"exposure {exposure}, above {GROUP_LIMIT}")
        owner = service.machine.run("stat", "-c", "%U %a", STATE).stdout.strip()
        expect(owner == "sealtail 700", f"the state directory is {owner}")
    return (f"exposure {exposure}, without capabilities; log keycloak:adm 0640 read and delivered; "
            f"frozen, restarted by the watchdog (3 s for the test) after {taken:.1f} s, read on")


def by_group_alone(service):
    """The same mode leaves a log of keycloak:keycloak 0640 alone, and says so."""
    with Receiver() as receiver:
        service.configure([agents.elasticsearch_sink(receiver)])
        written(service, "out-of-reach", "keycloak:keycloak", 0o640)
        service.start()
        service.wait(lambda: service.metric("input_readable", input="idp") == 0,
                     "sealtail_input_readable is not 0")
        status, text = service.page("/readyz")
        expect(status == 503 and LOG in text, f"/readyz answered {status}: {text}")
        watchdog = service.value("WatchdogUSec")
        expect(watchdog == "1min 30s", f"WatchdogSec=90s, and systemd waits {watchdog}")
        service.machine.run("chgrp", "adm", LOG)
        deliver(service, receiver, "out-of-reach")
    return "log keycloak:keycloak 0640 refused, /readyz names it; read as soon as its group is adm"


def by_capability(service):
    """The drop-in reads a log that no group of the agent may read."""
    with Receiver() as receiver:
        service.configure([agents.elasticsearch_sink(receiver)])
        written(service, "by-capability", "keycloak:keycloak", 0o640)
        service.machine.run("chmod", "750", LOG.rsplit("/", 1)[0])
        service.add_example("read-all-logs.conf")
        service.drop_in("watchdog", SHORT_WATCHDOG)
        service.start()
        process, taken = show_read_and_watchdog(service, receiver, "by-capability")
        expect(int(process["CapPrm"], 16) == 1 << 2, f"capabilities: {process['CapPrm']}")
        exposure = service.exposure()
        expect(exposure <= CAPABILITY_LIMIT, f"exposure {exposure}, above {CAPABILITY_LIMIT}")
    return (f"exposure {exposure}, CAP_DAC_READ_SEARCH alone; log keycloak:keycloak 0640 in 0750 "
            f"read and delivered; frozen, restarted by the watchdog after {taken:.1f} s, read on")


def capability_wants_the_users(service):
    """Why the drop-in says PrivateUsers=no: with yes the capability reads nothing."""
    with Receiver() as receiver:
        service.configure([agents.elasticsearch_sink(receiver)])
        written(service, "by-capability", "keycloak:keycloak", 0o640)
        service.add_example("read-all-logs.conf")
        service.drop_in("users", "PrivateUsers=yes")
        service.start()
        service.wait(lambda: service.metric("input_readable", input="idp") == 0,
                     "sealtail_input_readable is not 0")
        exposure = service.exposure()
    return f"with PrivateUsers=yes the score were {exposure}, and the same log is not read"


def sinks_down(service):
    """A receiver that is gone, one that is silent and one without a name hold up no start."""
    silent = agents.socket.create_server(("127.0.0.1", 0))
    port = agents.free_port()
    down = {"type": "http", "retry": {"initial": "100ms", "max": "1s"}}
    service.configure([
        {"id": "gone", "endpoint": f"http://127.0.0.1:{port}", **down, "type": "elasticsearch"},
        {"id": "silent", "endpoint": f"http://127.0.0.1:{silent.getsockname()[1]}", **down},
        {"id": "nameless", "endpoint": "http://nobody.example.com", **down}])
    written(service, "patient", "keycloak:adm", 0o640)
    # It comes back when the agent is ready, or never.
    service.start()
    _, taken = service.start_times()
    service.wait(lambda: service.metric("events_waiting", sink="gone"), "no event waits")
    with Receiver(port=port) as receiver:
        deliver(service, receiver, "patient")
    service.machine.run("systemctl", "kill", "--signal=KILL", UNIT)
    silent.close()
    return f"ready after {taken:.0f} ms; delivered when the receiver came"


def credentials(service):
    """The signing key and a sink's secret come from systemd, the second one encrypted."""
    machine = service.machine
    machine.run("sealtail", "keygen", "--name", agents.NAME, "--out", "/etc/sealtail/keys")
    key = machine.run("sh", "-c", "ls /etc/sealtail/keys/*.key").stdout.strip()
    machine.run("chmod", "600", key)
    public = machine.run("sh", "-c", "cat /etc/sealtail/keys/*.vkey").stdout.strip()
    encrypt = ("systemd-creds", "encrypt", "--name=siem.key", "-", "/etc/sealtail/siem.key")
    machine.run(*encrypt, stdin=SECRET)
    with Receiver() as receiver:
        service.configure(
            [agents.elasticsearch_sink(receiver, auth={"api_key": "${credential:siem.key}"})],
            signing={"key": "${credential:signing.key}"})
        written(service, "credential", "keycloak:adm", 0o640)
        service.drop_in("credentials", f"LoadCredential=signing.key:{key}\n"
                        "LoadCredentialEncrypted=siem.key:/etc/sealtail/siem.key")
        service.start()
        deliver(service, receiver, "credential")
        expect(last_secret(receiver) == SECRET, "the secret did not come to the receiver")
        own = f"{STATE}/keys/signing.key"
        expect(machine.run("test", "-e", own, check=None).returncode == 1, f"{own} was made")
        journal = service.journal()
        expect(public in journal, "the agent seals with another key")
        expect(SECRET not in journal + service.status_text(), "the secret was written to the log")
        machine.run(*encrypt, stdin=NEXT_SECRET)
        reloaded(service)
        machine.append(LOG, line("credential-reloaded"))
        deliver(service, receiver, "credential-reloaded")
        expect(last_secret(receiver) == SECRET, "a reload brought another credential")
        machine.run("systemctl", "restart", UNIT)
        machine.append(LOG, line("credential-restarted"))
        deliver(service, receiver, "credential-restarted")
        expect(last_secret(receiver) == NEXT_SECRET, "a restart did not bring the new credential")
    return ("LoadCredential (signing key, root 0600) and LoadCredentialEncrypted (a sink's secret) "
            "are used; a changed one after a restart, not after a reload; none is in the log")


def last_secret(receiver):
    """What authorised the newest request."""
    return receiver.headers[-1]["Authorization"].removeprefix("ApiKey ")


def reloaded(service, code=0):
    """Types `systemctl reload` and waits until the agent has answered."""
    before = service.metric("config_reloads_total")
    done = service.machine.run("systemctl", "reload", UNIT, check=None)
    expect((done.returncode == 0) == (code == 0), f"systemctl reload: {done.returncode} "
           f"{done.stderr}")
    service.wait(lambda: (service.metric("config_reloads_total") or 0) > before,
                 "the agent did not answer SIGHUP")
    return done


def reload(service):
    """`systemctl reload` takes a good configuration and refuses a bad one."""
    with Receiver() as receiver:
        sinks = [agents.elasticsearch_sink(receiver)]
        service.configure(sinks)
        written(service, "first", "keycloak:adm", 0o640)
        service.start()
        pid = service.pid()
        deliver(service, receiver, "first")
        service.configure(sinks, [agents.file_input(LOG, labels={"site": "reloaded-site"})])
        reloaded(service)
        service.machine.append(LOG, line("second"))
        deliver(service, receiver, "second")
        expect(has_event(receiver, "reloaded-site"), "the new label is missing")
        service.configure(sinks, [agents.file_input(LOG, timezone="Mars/Olympus")])
        reloaded(service, code=1)
        expect(service.metric("config_reload_success") == 0, "config_reload_success is not 0")
        expect("timezone" in service.status_text(), "status does not show the mistake")
        service.machine.append(LOG, line("third"))
        deliver(service, receiver, "third")
        expect(service.pid() == pid, "the process was exchanged")
    return "a good one is taken by the same process; a bad one: exit 1, the sentence, reads on"


def drained(service):
    """`systemctl stop` delivers what waits."""
    count = 500
    gate = threading.Event()
    closed = Fault(status=503, headers={"Retry-After": "1"})
    with Receiver(lambda *_: None if gate.is_set() else closed) as receiver:
        service.configure([agents.elasticsearch_sink(receiver)])
        text = "".join(line(f"drained-{number}") for number in range(count))
        service.machine.write(LOG, text, "keycloak:adm", 0o640)
        service.start()
        # AgentStarted waits too.
        service.wait(lambda: (service.metric("events_waiting", sink="siem") or 0) > count,
                     "the events do not wait")
        stopping = threading.Thread(target=service.stop)
        stopping.start()
        service.wait(lambda: service.value("ActiveState") == "deactivating", "it does not stop")
        gate.set()
        stopping.join()
        have = sum(f'"drained-{number}"'.encode() in b"".join(receiver.documents.values())
                   for number in range(count))
        expect(have == count, f"{have} of {count} events were delivered")
        expect(any(b"AgentStopped" in text for text in receiver.documents.values()),
               "AgentStopped was not delivered")
        ended = service.show("Result", "ExecMainStatus")
        expect(ended == {"Result": "success", "ExecMainStatus": "0"}, f"it ended with {ended}")
    return f"{count} events that waited for a receiver without room came while it stopped; exit 0"


def journal_input(service):
    """An input of type journal reads by the group systemd-journal."""
    with Receiver() as receiver:
        service.configure(
            [agents.elasticsearch_sink(receiver)],
            [{"id": "services", "type": "journal", "parser": "keycloak", "units": ["idp.service"],
              "start_at": "beginning"}])
        service.drop_in("journal", "SupplementaryGroups=\nSupplementaryGroups=systemd-journal")
        service.machine.run("systemd-run", "--quiet", "--wait", "--unit=idp.service",
                            "--uid=keycloak", "/bin/echo", line("journalled").strip())
        service.start()
        deliver(service, receiver, "journalled")
        group = service.machine.run("getent", "group", "systemd-journal").stdout.split(":")[2]
        expect(group in service.process()["Groups"].split(), "the group is missing")
    return "a message of another service came, with SupplementaryGroups=systemd-journal"


def refused_for_good(service):
    """A wrong configuration is refused once; anything else is tried again."""
    service.drop_in("quick", "RestartSec=500ms")
    service.configure([{"id": "siem", "type": "elasticsearch", "endpont": "http://192.0.2.1"}])
    done = service.machine.run("systemctl", "start", UNIT, check=None)
    expect(done.returncode != 0, "a wrong configuration was started")
    time.sleep(3)
    found = service.show("ActiveState", "NRestarts", "ExecMainStatus")
    expect(found == {"ActiveState": "failed", "NRestarts": "0", "ExecMainStatus": "78"},
           f"after three seconds: {found}")
    text = service.status_text()
    sentence = 'unknown key "endpont"; did you mean "endpoint"?'
    expect(sentence in text, f"status does not say it:\n{text}")
    with Receiver() as receiver:
        service.configure([agents.elasticsearch_sink(receiver)])
        service.start()
        for number in range(1, 8):
            before = service.pid()
            service.machine.run("systemctl", "kill", "--signal=KILL", UNIT)
            service.wait(lambda: service.is_successor(before), "a killed agent did not come back")
            counted = service.value("NRestarts")
            expect(counted == str(number), f"systemd counts {counted} restarts, not {number}")
    return "exit 78, no restart, status shows the sentence; killed seven times, it came back"


def low_port(service):
    """Syslog's own port, with the drop-in; without it the start says what is missing."""
    listening = [{"id": "network", "type": "syslog", "parser": "keycloak", "transport": "tcp",
                  "listen": "127.0.0.1:514"}]
    with Receiver() as receiver:
        service.configure([agents.elasticsearch_sink(receiver)], listening)
        service.machine.run("systemctl", "start", UNIT, check=None)
        found = service.show("ActiveState", "ExecMainStatus")
        expect(found == {"ActiveState": "failed", "ExecMainStatus": "77"}, f"it ended with {found}")
        text = service.status_text()
        expect("CAP_NET_BIND_SERVICE" in text, f"status does not say why:\n{text}")
        service.machine.run("systemctl", "reset-failed", UNIT, check=None)
        service.add_example("low-ports.conf")
        service.start()
        with agents.socket.create_connection(("127.0.0.1", 514), timeout=5) as client:
            client.sendall(b"<13>1 2026-11-20T08:00:01Z idp keycloak - - - "
                           + line("low-port").encode())
            deliver(service, receiver, "low-port")
        exposure = service.exposure()
    return f"syslog on port 514 with low-ports.conf (exposure {exposure}); refused without"


def hardened(service):
    """What the sandbox could break: names, threads of Kafka, patterns without machine code."""
    with Receiver() as receiver, Cluster() as cluster, NameServer({"siem.example.com"}):
        service.machine.write("/etc/resolv.conf", "nameserver 127.0.0.1\n")
        named = agents.elasticsearch_sink(receiver)
        named["endpoint"] = f"http://siem.example.com:{receiver.port}"
        service.configure([named, {"id": "fleet", "type": "kafka", "topic": "oauth-audit",
                                   "brokers": cluster.brokers.split(",")}])
        written(service, "hardened", "keycloak:adm", 0o640)
        service.start()
        deliver(service, receiver, "hardened")
        service.wait(lambda: service.metric("events_waiting", sink="fleet") == 0,
                     "Kafka did not take the events")
        expect('"hardened"' in cluster.export(), "the topic does not have the event")
        maps = service.machine.run("cat", f"/proc/{service.pid()}/maps").stdout
        expect("rwx" not in maps, "a page is writable and executable")
        threads = service.process()["Threads"]
    return (f"a name by DNS, two brokers of Kafka ({threads} threads), patterns without machine "
            "code: all delivered, no page writable and executable")


def ready_in_time(service):
    """From the start to READY by systemd's own clock. A computer with other work is no judge."""
    service.configure([{"id": "archive", "type": "file", "path": f"{STATE}/archive.ndjson"}])
    written(service, "timed", "keycloak:adm", 0o640)
    mains, wholes = [], []
    for _ in range(STARTS):
        service.start()
        main, whole = service.start_times()
        mains.append(main)
        wholes.append(whole)
        service.stop()
    figures = (f"{min(wholes):.0f} to {max(wholes):.0f} ms, median "
               f"{statistics.median(wholes):.0f}; of that the main process {min(mains):.0f} to "
               f"{max(mains):.0f} ms, median {statistics.median(mains):.0f}; {STARTS} starts")
    load = os.getloadavg()[0]
    if load > os.cpu_count():
        return f"start to ready, not judged because of other work (load {load:.1f}): {figures}"
    expect(statistics.median(wholes) < READY_LIMIT, f"start to ready: {figures}")
    return f"start to ready: {figures}"


def idle(service, seconds):
    """What the agent takes with nothing to do: one file, one sink, metrics on."""
    with Receiver() as receiver:
        service.configure([agents.elasticsearch_sink(receiver)])
        written(service, "idle", "keycloak:adm", 0o640)
        service.start()
        deliver(service, receiver, "idle")
        time.sleep(5)
        before, begun = cpu_seconds(service), time.monotonic()
        while time.monotonic() - begun < seconds:
            time.sleep(15)
            expect(service.page("/metrics")[0] == 200, "the metrics are not answered")
        share = (cpu_seconds(service) - before) / (time.monotonic() - begun)
        memory = memory_bytes(service)
    expect(share < IDLE_CORE_LIMIT, f"idling takes {share:.2%} of a core")
    expect(memory["Anonymous"] < IDLE_BYTE_LIMIT, f"idling holds {memory['Anonymous'] / 1e6} MB")
    return (f"{share:.3%} of a core over {seconds:.0f} s with a scrape every 15 s; memory of its "
            f"own {memory['Anonymous'] / 1e6:.1f} MB, resident with libraries and program "
            f"{memory['Rss'] / 1e6:.1f} MB, of which {memory['Pss'] / 1e6:.1f} MB when what is "
            "shared is shared out")


def cpu_seconds(service):
    """CPU time of all threads so far."""
    text = service.machine.run(
        "sh", "-c", f"cat /proc/{service.pid()}/task/*/schedstat").stdout
    return sum(int(row.split()[0]) for row in text.splitlines()) / 1e9


def memory_bytes(service):
    """The sums of /proc/PID/smaps_rollup in bytes."""
    text = service.machine.run("cat", f"/proc/{service.pid()}/smaps_rollup").stdout
    rows = (row.split() for row in text.splitlines()[1:])
    return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows}
