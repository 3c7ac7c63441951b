// SPDX-License-Identifier: Apache-2.0
// A receiver for `make bench`: takes Elasticsearch bulk requests and requests to Splunk's HTTP Event
// Collector as fast as loopback brings them, answers as the real things do (a collector's numbers
// are confirmed as soon as they are asked for), counts distinct ids and keeps a sample of documents.
//
//   receiver SAMPLE_FILE SAMPLE_EVERY LATENCY_MILLISECONDS
//
// The sample is the first 4096 documents and then every SAMPLE_EVERY-th; of a collector's events
// it is the event itself. Prints its port on standard output. GET /count answers
// {"documents":…,"distinct":…,…} at once; every POST is answered the latency later, as from far
// away. A thread per connection, so requests in flight wait side by side. A repeated id of a bulk
// request answers 409; a body that is neither answers 400.
#include <arpa/inet.h>
#include <isa-l/igzip_lib.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

constexpr size_t kHeadByteLimit = 64 << 10;
constexpr size_t kBodyByteLimit = 256 << 20;
constexpr uint64_t kHeadSampleCount = 4096;
constexpr size_t kReadByteCount = 256 << 10;
constexpr std::string_view kIdMark = "\"_id\":\"";
constexpr std::string_view kEventMark = ",\"event\":\"";
constexpr std::string_view kEventIdMark = ",\"id\":\"";
constexpr std::string_view kCollector = "POST /services/collector/";

struct Id {
    uint64_t high = 0, low = 0;
    bool operator==(const Id& other) const { return high == other.high && low == other.low; }
};

// Open addressing over ids that are hashes already. Zero means an empty place.
class IdSet {
public:
    IdSet() : places_(1 << 16) {}

    bool insert(Id id) {
        if ((count_ + 1) * 2 > places_.size()) grow();
        if (!place(places_, id)) return false;
        ++count_;
        return true;
    }

    size_t count() const { return count_; }

private:
    static bool place(std::vector<Id>& places, Id id) {
        const size_t mask = places.size() - 1;
        for (size_t at = id.low & mask;; at = (at + 1) & mask) {
            if (places[at] == id) return false;
            if (places[at] == Id{}) {
                places[at] = id;
                return true;
            }
        }
    }

    void grow() {
        std::vector<Id> larger(places_.size() * 2);
        for (const Id& id : places_)
            if (!(id == Id{})) place(larger, id);
        places_.swap(larger);
    }

    std::vector<Id> places_;
    size_t count_ = 0;
};

std::mutex g_lock;
IdSet g_ids;
uint64_t g_documents = 0, g_repeats = 0, g_requests = 0, g_malformed = 0, g_compressed = 0;
uint64_t g_wire_bytes = 0, g_document_bytes = 0, g_connections = 0, g_sample_every = 1;
std::atomic<uint64_t> g_next_number{0};
FILE* g_sample = nullptr;
std::chrono::milliseconds g_latency{0};

bool parse_hex(std::string_view text, uint64_t& value) {
    value = 0;
    for (char c : text) {
        const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0) return false;
        value = value << 4 | static_cast<uint64_t>(digit);
    }
    return true;
}

bool parse_id(std::string_view action, Id& id, std::string_view& text) {
    if (action.find("\"create\"") == std::string_view::npos) return false;
    const size_t at = action.find(kIdMark);
    if (at == std::string_view::npos || action.size() < at + kIdMark.size() + 33) return false;
    text = action.substr(at + kIdMark.size(), 32);
    return action[at + kIdMark.size() + 32] == '"' && parse_hex(text.substr(0, 16), id.high)
        && parse_hex(text.substr(16), id.low);
}

struct Pair {
    Id id;
    std::string_view text, document;
    bool isNew = false;
};

bool split(std::string_view body, std::vector<Pair>& pairs) {
    if (body.empty() || body.back() != '\n') return false;
    while (!body.empty()) {
        const size_t action_end = body.find('\n');
        const size_t end = body.find('\n', action_end + 1);
        if (end == std::string_view::npos) return false;
        Pair pair;
        pair.document = body.substr(action_end + 1, end - action_end - 1);
        if (!parse_id(body.substr(0, action_end), pair.id, pair.text)) return false;
        if (pair.document.size() < 2 || pair.document.front() != '{') return false;
        pairs.push_back(pair);
        body.remove_prefix(end + 1);
    }
    return true;
}

// What stands between the quotes of a JSON string in which only quotes and backslashes are escaped.
bool unescape(std::string_view text, std::string& plain) {
    plain.clear();
    for (size_t at = 0; at < text.size(); ++at) {
        if (text[at] == '\\' && (++at == text.size() || (text[at] != '"' && text[at] != '\\')))
            return false;
        plain += text[at];
    }
    return true;
}

// The event's own id; other members of that name are no 32 digits.
bool find_id(Pair& pair) {
    const std::string_view text = pair.document;
    for (size_t at = text.find(kEventIdMark); at != std::string_view::npos;
         at = text.find(kEventIdMark, at + 1)) {
        const size_t start = at + kEventIdMark.size();
        if (text.size() < start + 33 || text[start + 32] != '"') continue;
        pair.text = text.substr(start, 32);
        if (parse_hex(pair.text.substr(0, 16), pair.id.high)
            && parse_hex(pair.text.substr(16), pair.id.low))
            return true;
    }
    return false;
}

// One object a line, the event last and as a string: {"time":…,"event":"{…}"}. The documents are
// kept in `texts`, which the pairs look into.
bool split_events(
    std::string_view body, std::vector<std::string>& texts, std::vector<Pair>& pairs) {
    if (body.empty() || body.back() != '\n') return false;
    texts.resize(std::count(body.begin(), body.end(), '\n'));
    for (std::string& text : texts) {
        const size_t end = body.find('\n');
        const std::string_view line = body.substr(0, end);
        const size_t start = line.find(kEventMark);
        if (start == std::string_view::npos || !line.ends_with("\"}")) return false;
        const size_t first = start + kEventMark.size();
        if (!unescape(line.substr(first, line.size() - 2 - first), text)) return false;
        Pair pair;
        pair.document = text;
        if (!find_id(pair)) return false;
        pairs.push_back(pair);
        body.remove_prefix(end + 1);
    }
    return true;
}

// Answers {"acks":[1,2]} with true for each number.
std::string confirm(std::string_view query) {
    std::string answer = "{\"acks\":{";
    for (size_t at = query.find('['); at < query.size() && query[at] != ']';) {
        const size_t end = query.find_first_of(",]", at + 1);
        if (end == std::string_view::npos) break;
        if (answer.back() == 'e') answer += ',';
        answer += '"' + std::string(query.substr(at + 1, end - at - 1)) + "\":true";
        at = end;
    }
    return answer + "}}";
}

// Stores what is new; answers with the number of the first document.
uint64_t store(std::vector<Pair>& pairs) {
    uint64_t number = 0;
    {
        std::lock_guard<std::mutex> guard(g_lock);
        number = g_documents;
        for (Pair& pair : pairs) {
            pair.isNew = g_ids.insert(pair.id);
            g_repeats += !pair.isNew;
            g_document_bytes += pair.document.size();
            const bool isSampled =
                g_documents < kHeadSampleCount || g_documents % g_sample_every == 0;
            if (pair.isNew && isSampled) {
                fwrite(pair.document.data(), 1, pair.document.size(), g_sample);
                fputc('\n', g_sample);
            }
            ++g_documents;
        }
        fflush(g_sample);
    }
    return number;
}

// Stores what is new and writes the answer of a real server, item by item.
void take(std::vector<Pair>& pairs, std::string& answer) {
    uint64_t number = store(pairs);
    const bool errors =
        std::any_of(pairs.begin(), pairs.end(), [](const Pair& pair) { return !pair.isNew; });
    answer = errors ? "{\"took\":4,\"errors\":true,\"items\":["
                    : "{\"took\":4,\"errors\":false,\"items\":[";
    for (const Pair& pair : pairs) {
        if (answer.back() == '}') answer += ',';
        answer += "{\"create\":{\"_index\":\".ds-logs-oauth.audit-default-2026.03.02-000001\",\"_id\":\"";
        answer += pair.text;
        if (pair.isNew) {
            answer += "\",\"_version\":1,\"result\":\"created\",\"_shards\":{\"total\":2,"
                      "\"successful\":1,\"failed\":0},\"_seq_no\":";
            answer += std::to_string(number++);
            answer += ",\"_primary_term\":1,\"status\":201}}";
        } else {
            answer += "\",\"status\":409,\"error\":{\"type\":\"version_conflict_engine_exception\","
                      "\"reason\":\"document already exists\"}}}";
        }
    }
    answer += "]}";
}

class Connection {
public:
    explicit Connection(int descriptor) : descriptor_(descriptor) {}
    ~Connection() { close(descriptor_); }

    void serve() {
        std::string head, body, plain, answer;
        std::vector<std::string> texts;
        while (read_head(head)) {
            const bool is_post = head.rfind("POST ", 0) == 0;
            const size_t length = strtoull(field(head, "content-length").c_str(), nullptr, 10);
            if (length > kBodyByteLimit || !field(head, "transfer-encoding").empty()) return;
            if (!field(head, "expect").empty() && !send_all("HTTP/1.1 100 Continue\r\n\r\n"))
                return;
            if (!read_body(length, body)) return;
            if (!is_post) {
                count(answer);
                if (!reply(200, answer)) return;
                continue;
            }
            const bool is_collector = head.rfind(kCollector, 0) == 0;
            if (is_collector && head.compare(kCollector.size(), 3, "ack") == 0) {
                if (!reply_late(200, confirm(body))) return;
                continue;
            }
            const bool is_compressed = field(head, "content-encoding") == "gzip";
            if (is_compressed && !inflate(body, plain)) {
                if (!malformed()) return;
                continue;
            }
            std::vector<Pair> pairs;
            const std::string& text = is_compressed ? plain : body;
            if (!(is_collector ? split_events(text, texts, pairs) : split(text, pairs))) {
                if (!malformed()) return;
                continue;
            }
            {
                std::lock_guard<std::mutex> guard(g_lock);
                ++g_requests;
                g_connections += !has_posted_;
                has_posted_ = true;
                g_compressed += is_compressed;
                g_wire_bytes += body.size();
            }
            if (is_collector) {
                store(pairs);
                answer = "{\"text\":\"Success\",\"code\":0,\"ackId\":"
                    + std::to_string(g_next_number++) + "}";
            } else {
                take(pairs, answer);
            }
            if (!reply_late(200, answer)) return;
        }
    }

private:
    static std::string field(const std::string& head, const char* name) {
        const size_t length = strlen(name);
        for (size_t at = head.find("\r\n"); at != std::string::npos;) {
            const size_t start = at + 2, end = head.find("\r\n", start);
            if (end == std::string::npos) break;
            if (end > start + length && head[start + length] == ':'
                && strncasecmp(head.data() + start, name, length) == 0) {
                const size_t value = head.find_first_not_of(' ', start + length + 1);
                return head.substr(value, end - value);
            }
            at = end;
        }
        return {};
    }

    static void count(std::string& answer) {
        std::lock_guard<std::mutex> guard(g_lock);
        char text[512];
        snprintf(text, sizeof text,
                 "{\"documents\":%llu,\"distinct\":%zu,\"repeats\":%llu,\"requests\":%llu,"
                 "\"compressed\":%llu,\"malformed\":%llu,\"wire_bytes\":%llu,"
                 "\"document_bytes\":%llu,\"connections\":%llu}\n",
                 (unsigned long long)g_documents, g_ids.count(), (unsigned long long)g_repeats,
                 (unsigned long long)g_requests, (unsigned long long)g_compressed,
                 (unsigned long long)g_malformed, (unsigned long long)g_wire_bytes,
                 (unsigned long long)g_document_bytes, (unsigned long long)g_connections);
        answer = text;
    }

    bool malformed() {
        {
            std::lock_guard<std::mutex> guard(g_lock);
            ++g_malformed;
        }
        return reply_late(
            400, "{\"error\":{\"type\":\"illegal_argument_exception\"},\"status\":400}");
    }

    bool fill() {
        const size_t old = buffer_.size();
        buffer_.resize(old + kReadByteCount);
        const ssize_t got = read(descriptor_, &buffer_[old], kReadByteCount);
        buffer_.resize(old + (got > 0 ? static_cast<size_t>(got) : 0));
        return got > 0;
    }

    bool read_head(std::string& head) {
        size_t end;
        while ((end = buffer_.find("\r\n\r\n")) == std::string::npos)
            if (buffer_.size() > kHeadByteLimit || !fill()) return false;
        head = buffer_.substr(0, end + 2);
        buffer_.erase(0, end + 4);
        return true;
    }

    bool read_body(size_t length, std::string& body) {
        while (buffer_.size() < length)
            if (!fill()) return false;
        body.assign(buffer_, 0, length);
        buffer_.erase(0, length);
        return true;
    }

    static bool inflate(const std::string& body, std::string& plain) {
        inflate_state state;
        isal_inflate_init(&state);
        state.crc_flag = ISAL_GZIP;
        state.next_in = reinterpret_cast<uint8_t*>(const_cast<char*>(body.data()));
        state.avail_in = static_cast<uint32_t>(body.size());
        plain.resize(std::max(plain.capacity(), body.size() * 8));
        size_t used = 0;
        while (true) {
            if (used == plain.size()) plain.resize(plain.size() * 2);
            state.next_out = reinterpret_cast<uint8_t*>(&plain[used]);
            state.avail_out = static_cast<uint32_t>(plain.size() - used);
            const int result = isal_inflate(&state);
            used = plain.size() - state.avail_out;
            if (result != ISAL_DECOMP_OK) return false;
            if (state.block_state == ISAL_BLOCK_FINISH) break;
            if (state.avail_in == 0 && state.avail_out != 0) return false;
        }
        plain.resize(used);
        return true;
    }

    // Only this connection waits: a client that wants more at a time opens another one.
    bool reply_late(int status, const std::string& body) {
        std::this_thread::sleep_for(g_latency);
        return reply(status, body);
    }

    bool reply(int status, const std::string& body) {
        char head[256];
        const int length = snprintf(
            head, sizeof head,
            "HTTP/1.1 %d %s\r\nX-Elastic-Product: Elasticsearch\r\n"
            "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
            status, status == 200 ? "OK" : "Bad Request", body.size());
        return send_all(std::string(head, static_cast<size_t>(length)) + body);
    }

    bool send_all(const std::string& text) {
        for (size_t at = 0; at < text.size();) {
            const ssize_t sent =
                send(descriptor_, text.data() + at, text.size() - at, MSG_NOSIGNAL);
            if (sent <= 0) return false;
            at += static_cast<size_t>(sent);
        }
        return true;
    }

    int descriptor_;
    bool has_posted_ = false;
    std::string buffer_;
};

}  // namespace

int main(int count, char** arguments) {
    if (count != 4) {
        fprintf(stderr, "usage: receiver SAMPLE_FILE SAMPLE_EVERY LATENCY_MILLISECONDS\n");
        return 64;
    }
    signal(SIGPIPE, SIG_IGN);
    g_sample = fopen(arguments[1], "w");
    g_sample_every = std::max(1ull, strtoull(arguments[2], nullptr, 10));
    g_latency = std::chrono::milliseconds(strtoul(arguments[3], nullptr, 10));
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (!g_sample || bind(listener, reinterpret_cast<sockaddr*>(&address), length) != 0
        || listen(listener, 64) != 0
        || getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
        perror("receiver");
        return 74;
    }
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    while (true) {
        const int descriptor = accept(listener, nullptr, nullptr);
        if (descriptor < 0) continue;
        const int on = 1;
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        std::thread([descriptor] { Connection(descriptor).serve(); }).detach();
    }
}
