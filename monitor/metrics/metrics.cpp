#include "monitor/metrics/metrics.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "monitor/metrics/number.hpp"

namespace {

// In names and labels nothing has to be escaped.
char plain(char c) {
    const bool is_plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                          (c >= 'a' && c <= 'z') || c == '-' || c == '.';
    return is_plain ? c : '_';
}

// Writes an object of objects of numbers.
class Line {
public:
    explicit Line(std::string& out) : out_(out) {}

    void number(const char* name, uint64_t value) {
        name_it(name, {});
        append_number(out_, value);
    }
    void open(const char* group, std::string_view id) {
        name_it(group, id);
        out_ += '{';
        is_first_ = true;
    }
    void close() {
        out_ += '}';
        is_first_ = false;
    }

private:
    void name_it(const char* name, std::string_view id) {
        if (!is_first_) out_ += ',';
        is_first_ = false;
        out_ += '"';
        out_ += name;
        if (!id.empty()) {
            out_ += '_';
            out_ += id;
        }
        out_ += "\":";
    }

    std::string& out_;
    bool is_first_ = true;
};

void put_devices(Line& line, const MetricPart& part, MetricPartId id,
                 std::span<const CountedGroup> groups) {
    for (const CountedGroup& group : groups) {
        if (group.part != id) continue;
        line.open(part.group, group.id);
        for (size_t i = 0; i < part.fields.size(); ++i)
            line.number(part.fields[i].name, group.told(i));
        line.close();
    }
}

void put_sums(Line& line, const MetricPart& part, MetricPartId id,
              std::span<const CountedGroup> groups) {
    for (size_t i = 0; i < part.fields.size(); ++i) {
        uint64_t sum = 0;
        for (const CountedGroup& group : groups)
            if (group.part == id) sum += group.told(i);
        line.number(part.fields[i].name, sum);
    }
}

}  // namespace

Metrics::Metrics() {
    attach(MetricPartId::kApiServer, {}, &api_server);
    for (const MetricPartId part :
         {MetricPartId::kGetRequests, MetricPartId::kPatchRequests, MetricPartId::kPutRequests})
        attach(part, {}, &requests);
    attach(MetricPartId::kLatencies, {}, &latencies);
    attach(MetricPartId::kLog, {}, &log_metrics());
    attach(MetricPartId::kLines, {}, &lines);
    attach(MetricPartId::kSeccomp, {}, &seccomp);
    attach(MetricPartId::kSignals, {}, &signals);
    attach(MetricPartId::kVmm, {}, &vmm);
}

void Metrics::attach(MetricPartId part, std::string_view id, const void* counters) {
    CountedGroup group{.part = part, .id = std::string(id), .counters = counters};
    std::ranges::transform(group.id, group.id.begin(), &plain);
    group.committed.resize(group.fields().size());
    group.seen.resize(group.fields().size());
    groups_.push_back(std::move(group));
}

void Metrics::append_line(std::string& out, uint64_t utc_ms) {
    // Once, so that a sum is that of its devices.
    for (CountedGroup& group : groups_)
        for (size_t i = 0; i < group.seen.size(); ++i)
            group.seen[i] = group.fields()[i].value(group.counters);
    out += '{';
    out += line_beginning_;
    Line line(out);
    line.number("utc_timestamp_ms", utc_ms);
    const std::span<const MetricPart> parts = metric_parts();
    for (size_t index = 0; index < parts.size(); ++index) {
        const MetricPart& part = parts[index];
        const auto id = static_cast<MetricPartId>(index);
        if (part.is_per_device) put_devices(line, part, id, groups_);
        if (!part.goes_on) line.open(part.group, {});
        put_sums(line, part, id, groups_);
        if (index + 1 == parts.size() || !parts[index + 1].goes_on) line.close();
    }
    out += "}\n";
}

void Metrics::commit_line() {
    for (CountedGroup& group : groups_) group.committed = group.seen;
}
