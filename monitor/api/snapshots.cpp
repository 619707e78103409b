#include "monitor/api/snapshots.hpp"

#include <algorithm>
#include <array>

#include "base/monotonic_clock.hpp"
#include "monitor/api/fields.hpp"

namespace {

constexpr uint64_t kNanosecondsPerMicrosecond = 1000;

enum class SnapshotType : uint8_t { kFull, kDiff };
enum class BackEnd : uint8_t { kFile, kUffd };

constexpr Words<SnapshotType, 2> kTypes{
    "is neither Full nor Diff", {{{"Full", SnapshotType::kFull}, {"Diff", SnapshotType::kDiff}}}};
constexpr Words<BackEnd, 2> kBackEnds{"is neither File nor Uffd",
                                      {{{"File", BackEnd::kFile}, {"Uffd", BackEnd::kUffd}}}};

// Where the memory is: at one of two places, of which one is deprecated.
Result<> parse_memory(JsonFields& fields, SnapshotLoad& load) {
    const auto file = TRY(parse_path(fields, "mem_file_path"));
    const JsonNode* const back_end = TRY(fields.object("mem_backend"));
    if (file.has_value() == (back_end != nullptr))
        return Error{"mem_backend", 0, "has to be there, or else mem_file_path, and not both"};
    if (file.has_value()) {
        load.memory_path = *file;
        load.deprecated = "mem_file_path";
        return Ok{};
    }
    JsonFields parts = TRY(JsonFields::of(*back_end, "mem_backend"));
    if (TRY(parse_required_word(parts, "backend_type", kBackEnds)) == BackEnd::kUffd)
        return Error{"backend_type", 0, "can only be File; Mayfly maps memory files itself"};
    load.memory_path = TRY(required_path(parts, "backend_path"));
    return parts.done();
}

Result<std::vector<DeviceOverride>> parse_overrides(JsonFields& fields, const char* name,
                                                    const char* id, const char* with) {
    std::vector<DeviceOverride> overrides;
    const JsonNode* const list = TRY(fields.array(name));
    if (list == nullptr) return overrides;
    for (const JsonNode& entry : list->GetArray()) {
        JsonFields parts = TRY(JsonFields::of(entry, name));
        DeviceOverride parsed;
        parsed.id = TRY(required_id(parts, id));
        parsed.with = TRY(required_path(parts, with));
        TRY(parts.done());
        overrides.push_back(std::move(parsed));
    }
    return overrides;
}

Result<> override_devices(const SnapshotLoad& load, Config& config) {
    for (const DeviceOverride& drive : load.drives)
        config.host.drives[TRY(find_device(config.shape.drives, "drive_id", drive.id))].path =
            drive.with;
    for (const DeviceOverride& nic : load.nics)
        config.host.nics[TRY(find_device(config.shape.nics, "iface_id", nic.id))].tap = nic.with;
    if (load.serial_output_path.has_value())
        config.host.serial_output_path = *load.serial_output_path;
    return Ok{};
}

}  // namespace

Result<SnapshotCreation> parse_snapshot_creation(const JsonNode& body) {
    JsonFields fields = TRY(JsonFields::of(body));
    SnapshotCreation creation;
    const auto type = TRY(parse_word(fields, "snapshot_type", kTypes));
    if (type == SnapshotType::kDiff)
        return Error{"snapshot_type", 0, "can only be Full; Mayfly takes no diffs yet"};
    creation.state_path = TRY(required_path(fields, "snapshot_path"));
    creation.memory_path = TRY(required_path(fields, "mem_file_path"));
    creation.sync = TRY(fields.boolean("sync_snapshot_files")).value_or(true);
    TRY(fields.done());
    if (creation.state_path == creation.memory_path)
        return Error{"mem_file_path", 0, "is snapshot_path, too; a snapshot is two files"};
    return creation;
}

Result<HttpResponse> create_snapshot(const SnapshotCreation& creation, Controller& controller) {
    RunningInstance& instance = controller.running();
    if (!instance.is_paused)
        return Error{"Create snapshot error: Operation not allowed", 0,
                     "save/restore unavailable while running; PATCH /vm to Paused first"};
    const uint64_t start_ns = monotonic_ns();
    TRY(instance.vm.create_snapshot({.state_path = creation.state_path,
                                     .memory_path = creation.memory_path,
                                     .sync = creation.sync,
                                     .config = instance.settings.config}));
    controller.observation().metrics().latencies.full_create_snapshot.set(
        (monotonic_ns() - start_ns) / kNanosecondsPerMicrosecond);
    return HttpResponse{};
}

Result<SnapshotLoad> parse_snapshot_load(const JsonNode& body) {
    JsonFields fields = TRY(JsonFields::of(body));
    SnapshotLoad load;
    load.state_path = TRY(required_path(fields, "snapshot_path"));
    TRY(parse_memory(fields, load));
    load.resumes = TRY(fields.boolean("resume_vm")).value_or(false);
    // No diffs are taken, with or without it.
    static_cast<void>(TRY(fields.boolean("track_dirty_pages")));
    if (TRY(fields.boolean("enable_diff_snapshots")).has_value())
        load.deprecated = "enable_diff_snapshots";
    load.nics = TRY(parse_overrides(fields, "network_overrides", "iface_id", "host_dev_name"));
    load.drives = TRY(parse_overrides(fields, "drive_overrides", "drive_id", "path_on_host"));
    load.serial_output_path = TRY(parse_path(fields, "serial_override"));
    TRY(fields.done());
    return load;
}

Result<HttpResponse> load_snapshot(const SnapshotLoad& load, Controller& controller) {
    const uint64_t start_ns = monotonic_ns();
    Config config = TRY(controller.read_snapshot(load.state_path, load.memory_path));
    TRY(override_devices(load, config));
    TRY(controller.restore_instance(std::move(config),
                                    load.resumes ? AfterRestore::kRuns : AfterRestore::kPaused));
    controller.observation().metrics().latencies.load_snapshot.set((monotonic_ns() - start_ns) /
                                                                   kNanosecondsPerMicrosecond);
    return HttpResponse{.deprecated = load.deprecated};
}
