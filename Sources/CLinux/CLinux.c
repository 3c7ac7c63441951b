// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <link.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <malloc.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

const char *sealtail_error_name(int number) { return strerrorname_np(number); }

const char *sealtail_error_text(int number) { return strerrordesc_np(number); }

const uint8_t *sealtail_find_bytes(
    const uint8_t *bytes, size_t count, const uint8_t *needle, size_t needle_count) {
    return memmem(bytes, count, needle, needle_count);
}

const uint8_t *sealtail_find_last_byte(const uint8_t *bytes, uint8_t byte, size_t count) {
    return memrchr(bytes, byte, count);
}

int sealtail_name_thread(const char *name) { return pthread_setname_np(pthread_self(), name); }

void sealtail_tune_memory(int heap_count, int mapping_byte_count, int kept_byte_count) {
    // A C library that refuses a number goes on as before.
    mallopt(M_ARENA_MAX, heap_count);
    mallopt(M_MMAP_THRESHOLD, mapping_byte_count);
    mallopt(M_TRIM_THRESHOLD, kept_byte_count);
}

void sealtail_release_memory(void) { malloc_trim(0); }

// Of a mapped file only segments that can never be written to: what a segment for data holds is
// no longer what the file does, once it was relocated, even where it is read-only by then.
static int unmap_pages(struct dl_phdr_info *object, size_t size, void *context) {
    (void)size, (void)context;
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (size_t i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || (part->p_flags & PF_W) != 0) continue;
        const uintptr_t start = (object->dlpi_addr + part->p_vaddr) & ~(page - 1);
        const uintptr_t end = (object->dlpi_addr + part->p_vaddr + part->p_filesz) & ~(page - 1);
        if (end > start) madvise((void *)start, end - start, MADV_DONTNEED);
    }
    return 0;
}

void sealtail_release_code(void) { dl_iterate_phdr(unmap_pages, NULL); }

int sealtail_fallocate(int descriptor, int64_t offset, int64_t byte_count) {
    int result;
    do {
        result = posix_fallocate(descriptor, offset, byte_count);
    } while (result == EINTR);
    return result;
}

int64_t sealtail_next_data(int descriptor, int64_t offset) {
    off_t result = lseek(descriptor, offset, SEEK_DATA);
    if (result >= 0) return result;
    return errno == ENXIO ? -1 : offset;
}

int sealtail_reports_changes(const char *path) {
    // NFS, SMB, CIFS, SMB2, FUSE, 9P, Ceph, AFS, Lustre, VirtualBox shared folders: statfs(2).
    static const uint32_t remote[] = {0x6969,     0x517B,     0xFF534D42, 0xFE534D42, 0x65735546,
                                      0x01021997, 0x00C36400, 0x5346414F, 0x0BD00BD0, 0x786F4256};
    struct statfs status;
    if (statfs(path, &status) != 0) return 1;
    for (size_t i = 0; i < sizeof(remote) / sizeof(remote[0]); i++)
        if ((uint32_t)status.f_type == remote[i]) return 0;
    return 1;
}

int sealtail_flock_exclusive(int descriptor) { return flock(descriptor, LOCK_EX | LOCK_NB); }

static const struct {
    uint32_t ours;
    uint32_t kernel;
} watch_kinds[] = {
    {SEALTAIL_WATCH_MODIFY, IN_MODIFY},           {SEALTAIL_WATCH_CREATE, IN_CREATE},
    {SEALTAIL_WATCH_DELETE, IN_DELETE},           {SEALTAIL_WATCH_MOVE_FROM, IN_MOVED_FROM},
    {SEALTAIL_WATCH_MOVE_TO, IN_MOVED_TO},        {SEALTAIL_WATCH_DELETE_SELF, IN_DELETE_SELF},
    {SEALTAIL_WATCH_MOVE_SELF, IN_MOVE_SELF},     {SEALTAIL_WATCH_OVERFLOW, IN_Q_OVERFLOW},
    {SEALTAIL_WATCH_IGNORED, IN_IGNORED},         {SEALTAIL_WATCH_ATTRIBUTES, IN_ATTRIB},
};
enum { watch_kind_count = sizeof(watch_kinds) / sizeof(watch_kinds[0]) };

int sealtail_watch_open(void) { return inotify_init1(IN_NONBLOCK | IN_CLOEXEC); }

int sealtail_watch_add(int descriptor, const char *path, uint32_t kinds) {
    uint32_t mask = 0;
    for (size_t i = 0; i < watch_kind_count; i++)
        if (kinds & watch_kinds[i].ours) mask |= watch_kinds[i].kernel;
    return inotify_add_watch(descriptor, path, mask & IN_ALL_EVENTS);
}

int sealtail_watch_remove(int descriptor, int watch) { return inotify_rm_watch(descriptor, watch); }

int sealtail_watch_event_at(
    const uint8_t *buffer, size_t count, size_t offset, sealtail_watch_event *event) {
    struct inotify_event raw;
    if (offset > count || count - offset < sizeof(raw)) return 0;
    memcpy(&raw, buffer + offset, sizeof(raw));
    if (count - offset - sizeof(raw) < raw.len) return 0;
    event->watch = raw.wd;
    event->cookie = raw.cookie;
    event->kinds = 0;
    for (size_t i = 0; i < watch_kind_count; i++)
        if (raw.mask & watch_kinds[i].kernel) event->kinds |= watch_kinds[i].ours;
    event->name = (const char *)(buffer + offset + sizeof(raw));
    event->name_count = strnlen(event->name, raw.len);
    event->next_offset = offset + sizeof(raw) + raw.len;
    return 1;
}

int sealtail_event_open(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

void sealtail_event_ring(int descriptor) {
    // Fails only when the counter is full, and then the descriptor is readable as it is.
    (void)eventfd_write(descriptor, 1);
}

void sealtail_event_silence(int descriptor) {
    eventfd_t count;
    (void)eventfd_read(descriptor, &count);
}

static int wait_ready(int first, short events, int second, int64_t nanoseconds, int *ready) {
    struct pollfd entries[2] = {{first, events, 0}, {second, POLLIN, 0}};
    struct timespec timeout = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    // ppoll(2) skips an entry whose descriptor is negative.
    int result = ppoll(entries, 2, nanoseconds < 0 ? NULL : &timeout, NULL);
    *ready = 0;
    if (result > 0) *ready = (entries[0].revents ? 1 : 0) | (entries[1].revents ? 2 : 0);
    return result;
}

int sealtail_wait_readable(int first, int second, int64_t nanoseconds, int *ready) {
    return wait_ready(first, POLLIN, second, nanoseconds, ready);
}

int sealtail_wait_writable(int first, int second, int64_t nanoseconds, int *ready) {
    return wait_ready(first, POLLOUT, second, nanoseconds, ready);
}

int sealtail_matches(const char *pattern, const char *name) {
    return fnmatch(pattern, name, 0) == 0;
}

int sealtail_signals_open(const int *signals, size_t count) {
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < count; i++) sigaddset(&set, signals[i]);
    int result = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (result != 0) {
        errno = result;
        return -1;
    }
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

int sealtail_signals_next(int descriptor) {
    struct signalfd_siginfo entry;
    ssize_t count = read(descriptor, &entry, sizeof(entry));
    if (count == (ssize_t)sizeof(entry)) return (int)entry.ssi_signo;
    return count < 0 && errno != EAGAIN && errno != EINTR ? -1 : 0;
}

int sealtail_accept(int descriptor) {
    int connection;
    do {
        connection = accept4(descriptor, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (connection < 0 && (errno == EINTR || errno == ECONNABORTED));
    return connection;
}

int sealtail_set_receive_buffer(int descriptor, int byte_count) {
    // The first needs CAP_NET_ADMIN, the second stops at net.core.rmem_max without a word.
    if (setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &byte_count, sizeof(byte_count)) == 0)
        return 0;
    return setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &byte_count, sizeof(byte_count));
}

uint32_t sealtail_dropped_datagrams(int descriptor) {
    uint32_t numbers[SK_MEMINFO_VARS] = {0};
    socklen_t size = sizeof(numbers);
    if (getsockopt(descriptor, SOL_SOCKET, SO_MEMINFO, numbers, &size) != 0) return 0;
    return numbers[SK_MEMINFO_DROPS];
}

int sealtail_receive_datagrams(
    int descriptor, uint8_t *buffer, size_t room, unsigned limit, size_t *sizes,
    uint8_t *senders) {
    _Static_assert(SEALTAIL_SENDER_BYTE_COUNT == sizeof(struct sockaddr_in6), "room for IPv6");
    struct mmsghdr messages[SEALTAIL_DATAGRAM_LIMIT];
    struct iovec places[SEALTAIL_DATAGRAM_LIMIT];
    if (limit > SEALTAIL_DATAGRAM_LIMIT) limit = SEALTAIL_DATAGRAM_LIMIT;
    memset(messages, 0, sizeof(messages));
    memset(senders, 0, limit * SEALTAIL_SENDER_BYTE_COUNT);
    for (unsigned i = 0; i < limit; i++) {
        messages[i].msg_hdr.msg_name = senders + i * SEALTAIL_SENDER_BYTE_COUNT;
        messages[i].msg_hdr.msg_namelen = SEALTAIL_SENDER_BYTE_COUNT;
        places[i].iov_base = buffer + i * room;
        places[i].iov_len = room;
        messages[i].msg_hdr.msg_iov = &places[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    int count;
    do {
        // MSG_TRUNC makes the kernel tell the whole length of a datagram that does not fit.
        count = recvmmsg(descriptor, messages, limit, MSG_DONTWAIT | MSG_TRUNC, NULL);
    } while (count < 0 && errno == EINTR);
    for (int i = 0; i < count; i++) sizes[i] = messages[i].msg_len;
    return count;
}

int sealtail_unacknowledged_bytes(int descriptor) {
    int count = 0;
    return ioctl(descriptor, SIOCOUTQ, &count) == 0 ? count : -1;
}

int sealtail_terminal_size(int descriptor, int *columns, int *rows) {
    struct winsize size;
    if (ioctl(descriptor, TIOCGWINSZ, &size) != 0) return -1;
    *columns = size.ws_col;
    *rows = size.ws_row;
    return 0;
}

size_t sealtail_access_list(const char *path, uint8_t *buffer, size_t room) {
    ssize_t size = getxattr(path, "system.posix_acl_access", buffer, room);
    return size < 0 ? 0 : (size_t)size;
}

int sealtail_clock_is_kept(void) {
    struct timex clock = {0};
    // Without modes adjtimex(2) only asks, which anybody may.
    int state = adjtimex(&clock);
    if (state < 0) return -1;
    return state != TIME_ERROR && !(clock.status & STA_UNSYNC);
}
