#include "monitor/api/drives.hpp"

#include <algorithm>

#include "monitor/api/fields.hpp"

namespace {

constexpr Words<DiskCache, 2> kCaches{
    "is neither Unsafe nor Writeback",
    {{{"Unsafe", DiskCache::kUnsafe}, {"Writeback", DiskCache::kWriteback}}}};

constexpr Words<DiskEngine, 2> kEngines{
    "is neither Sync nor Async", {{{"Sync", DiskEngine::kSync}, {"Async", DiskEngine::kAsync}}}};

}  // namespace

Result<DriveConfig> parse_drive(const JsonNode& body) {
    JsonFields fields = TRY(JsonFields::of(body));
    DriveConfig drive;
    drive.shape.id = TRY(required_id(fields, "drive_id"));
    if (TRY(fields.text("socket")).has_value())
        return Error{"socket", 0, "is vhost-user's, which Mayfly does not have; give path_on_host"};
    drive.host.path = TRY(required_path(fields, "path_on_host"));
    drive.shape.is_root = TRY(fields.required_boolean("is_root_device"));
    const bool is_read_only = TRY(fields.boolean("is_read_only")).value_or(false);
    drive.shape.access = is_read_only ? DiskAccess::kReadOnly : DiskAccess::kReadWrite;
    drive.shape.partuuid = TRY(fields.text("partuuid")).value_or("");
    if (drive.shape.partuuid.find_first_of(" \t\n\"") != std::string::npos)
        return Error{"partuuid", 0, "has blanks or quotes"};
    drive.shape.cache = TRY(parse_word(fields, "cache_type", kCaches)).value_or(DiskCache::kUnsafe);
    drive.host.engine = TRY(parse_word(fields, "io_engine", kEngines)).value_or(DiskEngine::kSync);
    drive.host.limits = TRY(parse_whole_limits(fields, "rate_limiter"));
    TRY(fields.done());
    return drive;
}

void write_drive(const DriveConfig& drive, JsonWriter& out) {
    const auto& [shape, host] = drive;
    out.text("drive_id", shape.id);
    out.text("path_on_host", host.path);
    out.boolean("is_root_device", shape.is_root);
    out.boolean("is_read_only", shape.access == DiskAccess::kReadOnly);
    out.text_or_null("partuuid", shape.partuuid);
    out.text("cache_type", word_of(shape.cache, kCaches));
    out.text("io_engine", word_of(host.engine, kEngines));
    write_limits("rate_limiter", host.limits, out);
    out.null("socket");
}

Result<DriveChange> parse_drive_change(const JsonNode& body) {
    JsonFields fields = TRY(JsonFields::of(body));
    DriveChange change;
    change.id = TRY(required_id(fields, "drive_id"));
    change.path = TRY(parse_path(fields, "path_on_host"));
    change.limits = TRY(parse_limits(fields, "rate_limiter"));
    change.is_empty = !change.path.has_value() && TRY(fields.object("rate_limiter")) == nullptr;
    TRY(fields.done());
    return change;
}

Result<HttpResponse> put_drive(const DriveConfig& drive, Controller& controller) {
    Config config = controller.settings().config;
    config.put(drive);
    if (std::ranges::count_if(config.shape.drives, &DriveShape::is_root) > 1)
        return Error{"is_root_device", 0, "A root block device already exists; a VM has one"};
    return controller.take(std::move(config));
}

Result<HttpResponse> change_drive(const DriveChange& change, Controller& controller) {
    RunningInstance& instance = controller.running();
    Config& config = instance.settings.config;
    const size_t number = TRY(find_device(config.shape.drives, "drive_id", change.id));
    DriveHost& drive = config.host.drives[number];
    // What asks Firecracker to look at the file of a vhost-user device again.
    if (change.is_empty)
        return Error{"body", 0,
                     "names nothing to change. Running method expected different backend."};
    // The one that can fail comes first.
    if (change.path.has_value()) {
        const Result<> changed = instance.vm.change_drive(number, *change.path);
        if (!changed.ok()) return said_of(kApiNames.drive, changed.error());
        drive.path = *change.path;
    }
    if (change.limits.is_empty()) return HttpResponse{};
    RateLimiterConfig limits = drive.limits;
    apply(change.limits, limits);
    TRY(instance.vm.limit_drive(number, limits));
    drive.limits = limits;
    return HttpResponse{};
}
