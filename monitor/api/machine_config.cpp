#include "monitor/api/machine_config.hpp"

#include <algorithm>
#include <array>

#include "monitor/api/fields.hpp"

namespace {

// What Firecracker lets one choose, and Mayfly has in one way alone.
struct Choice {
    const char* name = nullptr;
    std::array<std::string_view, 6> words{};  // beside "None"
    const char* why = nullptr;
};

constexpr std::array kChoices = {
    Choice{"cpu_template",
           {"C3", "T2", "T2S", "T2CL", "T2A", "V1N1"},
           "can only be \"None\"; a guest sees the host's CPU"},
    Choice{"huge_pages",
           {"2M"},
           "can only be \"None\"; guest RAM uses the host's transparent huge pages"},
};

Result<MachineChange> parse_machine(const JsonNode& body) {
    JsonFields fields = TRY(JsonFields::of(body));
    MachineChange change;
    const auto vcpus = TRY(fields.number("vcpu_count", 1, MachineShape::kMaxVcpus));
    change.memory_mib = TRY(fields.number("mem_size_mib", MachineShape::kMinMemoryBytes >> 20,
                                          MachineShape::kMaxMemoryBytes >> 20));
    if (vcpus.has_value()) change.vcpus = static_cast<uint32_t>(*vcpus);
    change.smt = TRY(fields.boolean("smt"));
    change.nested = TRY(fields.boolean("nested"));
    change.pmu = TRY(fields.boolean("pmu"));
    const auto tracks = TRY(fields.boolean("track_dirty_pages"));
    if (tracks.value_or(false))
        change.absent.push_back(
            {"track_dirty_pages", 0, "can only be false; Mayfly has no snapshots yet"});
    for (const Choice& choice : kChoices) {
        const auto value = TRY(fields.text(choice.name));
        if (!value.has_value() || *value == "None") continue;
        if (value->empty() || std::ranges::find(choice.words, *value) == choice.words.end())
            return Error{choice.name, 0, "is none of Firecracker's values"};
        change.absent.push_back({choice.name, 0, choice.why});
    }
    TRY(fields.done());
    return change;
}

}  // namespace

Result<MachineChange> parse_machine_change(const JsonNode& body) {
    const MachineChange change = TRY(parse_machine(body));
    if (TRY(JsonFields::of(body)).is_empty()) return Error{"Empty PATCH request."};
    return change;
}

Result<MachineChange> parse_whole_machine(const JsonNode& body) {
    MachineChange change = TRY(parse_machine(body));
    if (!change.vcpus.has_value()) return Error{"vcpu_count", 0, "is missing"};
    if (!change.memory_mib.has_value()) return Error{"mem_size_mib", 0, "is missing"};
    for (auto* const field : {&change.smt, &change.nested, &change.pmu})
        if (!field->has_value()) *field = false;
    return change;
}

void apply(const MachineChange& change, Config& config) {
    if (change.vcpus.has_value()) config.shape.vcpus = *change.vcpus;
    if (change.memory_mib.has_value()) config.shape.memory_bytes = *change.memory_mib << 20;
    if (change.smt.has_value()) config.shape.threads_per_core = *change.smt ? 2 : 1;
    if (change.nested.has_value()) config.shape.extras.nested = *change.nested;
    if (change.pmu.has_value()) config.shape.extras.pmu = *change.pmu;
}

void write_machine(const Config& config, JsonWriter& out) {
    out.number("vcpu_count", config.shape.vcpus);
    out.number("mem_size_mib", config.shape.memory_bytes >> 20);
    out.boolean("smt", config.shape.threads_per_core > 1);
    out.boolean("track_dirty_pages", false);
    out.text("huge_pages", "None");
    // Firecracker has neither, and a client may compare.
    if (config.shape.extras.nested) out.boolean("nested", true);
    if (config.shape.extras.pmu) out.boolean("pmu", true);
}

HttpResponse tell_machine(const Controller& controller) {
    JsonWriter out;
    write_machine(controller.settings().config, out);
    return {.status = 200, .body = out.finish()};
}

Result<HttpResponse> change_machine(const MachineChange& change, Controller& controller) {
    for (const Error& absent : change.absent)
        TRY(controller.accept_absent(absent.what, absent.hint));
    Config config = controller.settings().config;
    apply(change, config);
    TRY(controller.take(std::move(config)));
    controller.foresee();
    return HttpResponse{};
}

void write_machine_part(const char* key, const VmSettings& settings, JsonWriter& out) {
    out.object(key, [&] { write_machine(settings.config, out); });
}
