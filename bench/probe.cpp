#include "bench/probe.hpp"

#include <algorithm>

namespace {

struct Kind {
    std::string_view way;
    Result<std::unique_ptr<Probe>> (*make)(const Fields& fields);
};

constexpr Kind kKinds[] = {
    {"start", make_start},
    {"crowd", make_crowd},
    {"output rate", make_output_rate},
    {"guest rate", make_guest_rate},
    {"API ready", make_api_ready},
    {"API start", make_api_start},
    {"API answers", make_api_answers},
    {"ring reads", make_ring_reads},
    {"ring writes", make_ring_writes},
};

}  // namespace

Result<std::unique_ptr<Probe>> make_probe(const Fields& fields) {
    const std::string way = fields.text("way");
    const auto* const kind = std::ranges::find(kKinds, way, &Kind::way);
    if (kind == std::end(kKinds)) return Error{"plan", EPROTO, "has a way that is not known"};
    return kind->make(fields);
}
