// The text form of Prometheus, version 0.0.4: "Exposition formats" in its documentation. The
// samples of one metric are together, after a line that says what it is.
#include <algorithm>

#include "monitor/metrics/metrics.hpp"
#include "monitor/metrics/number.hpp"

namespace {

void put_sample(std::string& out, const std::string& name, const CountedGroup& group,
                const MetricField& field) {
    out += name;
    if (!group.id.empty()) {
        out += "{id=\"";
        out += group.id;
        out += "\"}";
    }
    out += ' ';
    append_number(out, field.value(group.counters));
    out += '\n';
}

void put_metric(std::string& out, const MetricPart& part, MetricPartId id, const MetricField& field,
                std::span<const CountedGroup> groups) {
    // A machine that is not there yet, or a kind of device that it does not have.
    if (std::ranges::find(groups, id, &CountedGroup::part) == groups.end()) return;
    std::string name = "mayfly_";
    name += part.group;
    name += '_';
    name += field.name;
    out += "# TYPE ";
    out += name;
    out += field.is_gauge ? " gauge\n" : " counter\n";
    for (const CountedGroup& group : groups)
        if (group.part == id) put_sample(out, name, group, field);
}

}  // namespace

std::string Metrics::prometheus() const {
    std::string out;
    const std::span<const MetricPart> parts = metric_parts();
    for (size_t index = 0; index < parts.size(); ++index)
        for (const MetricField& field : parts[index].fields)
            put_metric(out, parts[index], static_cast<MetricPartId>(index), field, groups_);
    return out;
}
