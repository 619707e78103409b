#include "monitor/api/machine_config.hpp"

#include <algorithm>
#include <array>

#include "monitor/api/fields.hpp"

namespace {

constexpr const char* kNoValue = "is none of Firecracker's values";

// Of Firecracker's templates one is worth having; the others are cut for hosts, or from guests,
// that nobody has any more, or for another vendor's.
Result<> parse_cpu_template(JsonFields& fields, MachineChange& change) {
    constexpr const char* kName = "cpu_template";
    constexpr std::array<std::string_view, 5> kOthers{"C3", "T2S", "T2CL", "T2A", "V1N1"};
    const auto name = TRY(fields.text(kName));
    if (!name.has_value()) return Ok{};
    change.deprecated = kName;
    if (*name == "T2") {
        change.cpu_template = CpuTemplate::kT2;
        return Ok{};
    }
    change.cpu_template = CpuTemplate::kNone;
    if (*name == "None") return Ok{};
    if (std::ranges::find(kOthers, *name) == kOthers.end()) return Error{kName, 0, kNoValue};
    change.absent.push_back({kName, 0, "can only be \"T2\" or \"None\", the host's CPU"});
    return Ok{};
}

Result<> parse_huge_pages(JsonFields& fields, MachineChange& change) {
    constexpr const char* kName = "huge_pages";
    const auto size = TRY(fields.text(kName));
    if (!size.has_value()) return Ok{};
    if (*size != "2M" && *size != "None") return Error{kName, 0, kNoValue};
    change.ram_pages = *size == "2M" ? RamPages::kHuge : RamPages::kOrdinary;
    return Ok{};
}

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
    TRY(parse_cpu_template(fields, change));
    TRY(parse_huge_pages(fields, change));
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
    if (!change.cpu_template.has_value()) change.cpu_template = CpuTemplate::kNone;
    if (!change.ram_pages.has_value()) change.ram_pages = RamPages::kOrdinary;
    return change;
}

void apply(const MachineChange& change, Config& config) {
    if (change.vcpus.has_value()) config.shape.vcpus = *change.vcpus;
    if (change.memory_mib.has_value()) config.shape.memory_bytes = *change.memory_mib << 20;
    if (change.smt.has_value()) config.shape.threads_per_core = *change.smt ? 2 : 1;
    if (change.nested.has_value()) config.shape.extras.nested = *change.nested;
    if (change.pmu.has_value()) config.shape.extras.pmu = *change.pmu;
    if (change.cpu_template.has_value()) config.shape.cpu_template = *change.cpu_template;
    if (change.ram_pages.has_value()) config.host.ram_pages = *change.ram_pages;
}

void write_machine(const Config& config, JsonWriter& out) {
    out.number("vcpu_count", config.shape.vcpus);
    out.number("mem_size_mib", config.shape.memory_bytes >> 20);
    out.boolean("smt", config.shape.threads_per_core > 1);
    out.boolean("track_dirty_pages", false);
    out.text("huge_pages", config.host.ram_pages == RamPages::kHuge ? "2M" : "None");
    if (config.shape.cpu_template == CpuTemplate::kT2) out.text("cpu_template", "T2");
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
    return HttpResponse{.deprecated = change.deprecated};
}

void write_machine_part(const char* key, const VmSettings& settings, JsonWriter& out) {
    out.object(key, [&] { write_machine(settings.config, out); });
}
