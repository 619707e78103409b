#include "monitor/api/documents.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "monitor/api/words.hpp"
#include "monitor/boot/command_line.hpp"
#include "monitor/machine/device_options.hpp"

namespace {

constexpr uint64_t kMostSigned = std::numeric_limits<int64_t>::max();

// A field that can only say that something is not wanted.
Result<> expect_none(JsonFields& fields, const char* name, const char* why) {
    const auto value = TRY(fields.text(name));
    if (value.has_value() && *value != "None") return Error{name, 0, why};
    return Ok{};
}

Result<std::string> required_id(JsonFields& fields, const char* name) {
    std::string id = TRY(fields.required_text(name));
    if (!is_id(id)) return Error{name, 0, "takes letters, digits, '-', '_' and '.'"};
    return id;
}

Result<std::optional<std::string>> parse_path(JsonFields& fields, const char* name) {
    auto path = TRY(fields.text(name));
    if (path.has_value() && path->empty()) return Error{name, 0, "is empty"};
    return path;
}

Result<std::string> required_path(JsonFields& fields, const char* name) {
    auto path = TRY(parse_path(fields, name));
    if (!path.has_value()) return Error{name, 0, "is missing"};
    return std::move(*path);
}

Result<std::optional<TokenBucketConfig>> parse_bucket(JsonFields& limiter, const char* name) {
    const JsonNode* const object = TRY(limiter.object(name));
    if (object == nullptr) return std::optional<TokenBucketConfig>{};
    JsonFields fields = TRY(JsonFields::of(*object, name));
    TokenBucketConfig bucket;
    bucket.size = TRY(fields.required_number("size", 0, kMostSigned));
    bucket.refill_time_ms = TRY(fields.required_number("refill_time", 0, kMostSigned));
    bucket.one_time_burst = TRY(fields.number("one_time_burst", 0, kMostSigned)).value_or(0);
    TRY(fields.done());
    return std::optional(bucket);
}

Result<LimitsChange> parse_limits(JsonFields& owner, const char* name) {
    const JsonNode* const object = TRY(owner.object(name));
    if (object == nullptr) return LimitsChange{};
    JsonFields fields = TRY(JsonFields::of(*object, name));
    LimitsChange limits;
    limits.bandwidth = TRY(parse_bucket(fields, "bandwidth"));
    limits.ops = TRY(parse_bucket(fields, "ops"));
    TRY(fields.done());
    return limits;
}

Result<RateLimiterConfig> parse_whole_limits(JsonFields& owner, const char* name) {
    const LimitsChange limits = TRY(parse_limits(owner, name));
    return RateLimiterConfig{.bandwidth = limits.bandwidth.value_or(TokenBucketConfig{}),
                             .ops = limits.ops.value_or(TokenBucketConfig{})};
}

void write_bucket(const char* name, const TokenBucketConfig& bucket, JsonWriter& out) {
    if (!bucket.is_limited()) return;
    out.object(name, [&] {
        out.number("size", bucket.size);
        out.number("one_time_burst", bucket.one_time_burst);
        out.number("refill_time", bucket.refill_time_ms);
    });
}

void write_limits(const char* name, const RateLimiterConfig& limits, JsonWriter& out) {
    if (!limits.bandwidth.is_limited() && !limits.ops.is_limited()) return;
    out.object(name, [&] {
        write_bucket("bandwidth", limits.bandwidth, out);
        write_bucket("ops", limits.ops, out);
    });
}

std::string mac_text(const MacAddress& mac) {
    std::array<char, 18> text{};
    std::snprintf(text.data(), text.size(), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
                  mac[3], mac[4], mac[5]);
    return text.data();
}

}  // namespace

// --- The machine, and what boots in it ----------------------------------------------------------

namespace {

Result<MachineChange> parse_machine(const JsonNode& body) {
    JsonFields fields = TRY(JsonFields::of(body));
    MachineChange change;
    const auto vcpus = TRY(fields.number("vcpu_count", 1, MachineShape::kMaxVcpus));
    change.memory_mib = TRY(fields.number("mem_size_mib", MachineShape::kMinMemoryBytes >> 20,
                                          MachineShape::kMaxMemoryBytes >> 20));
    if (vcpus.has_value()) change.vcpus = static_cast<uint32_t>(*vcpus);
    change.smt = TRY(fields.boolean("smt"));
    const auto tracks = TRY(fields.boolean("track_dirty_pages"));
    if (tracks.value_or(false))
        return Error{"track_dirty_pages", 0, "can only be false; Mayfly has no snapshots yet"};
    TRY(expect_none(fields, "cpu_template", "can only be \"None\"; a guest sees the host's CPU"));
    TRY(expect_none(fields, "huge_pages", "can only be \"None\"; see README, Memory"));
    TRY(fields.done());
    return change;
}

}  // namespace

Result<MachineChange> parse_machine_change(const JsonNode& body) {
    const MachineChange change = TRY(parse_machine(body));
    if (TRY(JsonFields::of(body)).is_empty())
        return Error{"body", 0, "is empty; name a field to change"};
    return change;
}

Result<MachineChange> parse_whole_machine(const JsonNode& body) {
    MachineChange change = TRY(parse_machine(body));
    if (!change.vcpus.has_value()) return Error{"vcpu_count", 0, "is missing"};
    if (!change.memory_mib.has_value()) return Error{"mem_size_mib", 0, "is missing"};
    if (!change.smt.has_value()) change.smt = false;
    return change;
}

void apply(const MachineChange& change, Config& config) {
    if (change.vcpus.has_value()) config.shape.vcpus = *change.vcpus;
    if (change.memory_mib.has_value()) config.shape.memory_bytes = *change.memory_mib << 20;
    if (change.smt.has_value()) config.shape.threads_per_core = *change.smt ? 2 : 1;
}

void write_machine(const Config& config, JsonWriter& out) {
    out.number("vcpu_count", config.shape.vcpus);
    out.number("mem_size_mib", config.shape.memory_bytes >> 20);
    out.boolean("smt", config.shape.threads_per_core > 1);
    out.boolean("track_dirty_pages", false);
    out.text("huge_pages", "None");
}

Result<BootSource> parse_boot_source(const JsonNode& body) {
    JsonFields fields = TRY(JsonFields::of(body));
    BootSource source;
    source.kernel_path = TRY(required_path(fields, "kernel_image_path"));
    source.initrd_path = TRY(parse_path(fields, "initrd_path")).value_or("");
    source.boot_args = TRY(fields.text("boot_args")).value_or(kFirecrackerLine);
    TRY(fields.done());
    return source;
}

void apply(const BootSource& source, Config& config) {
    config.boot.kernel_path = source.kernel_path;
    config.boot.initrd_path = source.initrd_path;
    config.shape.command_line = source.boot_args;
}

void write_boot_source(const Config& config, JsonWriter& out) {
    out.text("kernel_image_path", config.boot.kernel_path);
    if (!config.boot.initrd_path.empty()) out.text("initrd_path", config.boot.initrd_path);
    out.text("boot_args", config.shape.command_line);
}

// --- Drives -------------------------------------------------------------------------------------

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

Result<DriveChange> parse_drive_change(const JsonNode& body) {
    JsonFields fields = TRY(JsonFields::of(body));
    DriveChange change;
    change.id = TRY(required_id(fields, "drive_id"));
    change.path = TRY(parse_path(fields, "path_on_host"));
    change.limits = TRY(parse_limits(fields, "rate_limiter"));
    TRY(fields.done());
    return change;
}

void apply(const LimitsChange& change, RateLimiterConfig& limits) {
    if (change.bandwidth.has_value()) limits.bandwidth = *change.bandwidth;
    if (change.ops.has_value()) limits.ops = *change.ops;
}

void write_drive(const DriveConfig& drive, JsonWriter& out) {
    const auto& [shape, host] = drive;
    out.text("drive_id", shape.id);
    out.text("path_on_host", host.path);
    out.boolean("is_root_device", shape.is_root);
    out.boolean("is_read_only", shape.access == DiskAccess::kReadOnly);
    if (!shape.partuuid.empty()) out.text("partuuid", shape.partuuid);
    out.text("cache_type", word_of(shape.cache, kCaches));
    out.text("io_engine", word_of(host.engine, kEngines));
    write_limits("rate_limiter", host.limits, out);
}

// --- NICs ---------------------------------------------------------------------------------------

Result<NicConfig> parse_nic(const JsonNode& body) {
    JsonFields fields = TRY(JsonFields::of(body));
    NicConfig nic;
    nic.shape.id = TRY(required_id(fields, "iface_id"));
    nic.host.tap = TRY(required_path(fields, "host_dev_name"));
    if (const auto mac = TRY(fields.text("guest_mac")); mac.has_value()) {
        const auto parsed = parse_mac(mac->c_str());
        if (!parsed.ok()) return Error{"guest_mac", 0, parsed.error().hint};
        nic.shape.mac = parsed.value();
    }
    if (const auto mtu =
            TRY(fields.number("mtu", Tap::kMinMtu, std::numeric_limits<uint16_t>::max())))
        nic.shape.mtu = static_cast<uint16_t>(*mtu);
    nic.host.receive_limits = TRY(parse_whole_limits(fields, "rx_rate_limiter"));
    nic.host.transmit_limits = TRY(parse_whole_limits(fields, "tx_rate_limiter"));
    TRY(fields.done());
    return nic;
}

Result<NicChange> parse_nic_change(const JsonNode& body) {
    JsonFields fields = TRY(JsonFields::of(body));
    NicChange change;
    change.id = TRY(required_id(fields, "iface_id"));
    change.receive = TRY(parse_limits(fields, "rx_rate_limiter"));
    change.transmit = TRY(parse_limits(fields, "tx_rate_limiter"));
    TRY(fields.done());
    return change;
}

void write_nic(const NicConfig& nic, JsonWriter& out) {
    const auto& [shape, host] = nic;
    out.text("iface_id", shape.id);
    out.text("host_dev_name", host.tap);
    if (shape.mac.has_value()) out.text("guest_mac", mac_text(*shape.mac));
    if (shape.mtu.has_value()) out.number("mtu", *shape.mtu);
    write_limits("rx_rate_limiter", host.receive_limits, out);
    write_limits("tx_rate_limiter", host.transmit_limits, out);
}

// --- The rest -----------------------------------------------------------------------------------

Result<SerialConfig> parse_serial(const JsonNode& body) {
    JsonFields fields = TRY(JsonFields::of(body));
    SerialConfig serial{.output_path = TRY(parse_path(fields, "serial_out_path")).value_or("")};
    TRY(fields.done());
    return serial;
}

void write_serial(const Config& config, JsonWriter& out) {
    if (!config.host.serial_output_path.empty())
        out.text("serial_out_path", config.host.serial_output_path);
}

Result<ApiAction> parse_action(const JsonNode& body) {
    JsonFields fields = TRY(JsonFields::of(body));
    const ApiAction action = TRY(parse_required_word(fields, "action_type", kActions));
    TRY(fields.done());
    return action;
}

Result<VmState> parse_vm_state(const JsonNode& body) {
    JsonFields fields = TRY(JsonFields::of(body));
    const VmState state = TRY(parse_required_word(fields, "state", kVmStates));
    TRY(fields.done());
    return state;
}

Result<LoggerConfig> parse_logger(const JsonNode& body) {
    JsonFields fields = TRY(JsonFields::of(body));
    LoggerConfig logger;
    logger.path = TRY(parse_path(fields, "log_path"));
    logger.level = TRY(parse_word(fields, "level", kLevels));
    logger.shows_level = TRY(fields.boolean("show_level"));
    logger.shows_origin = TRY(fields.boolean("show_log_origin"));
    logger.module = TRY(fields.text("module"));
    TRY(fields.done());
    return logger;
}

void write_logger(const LoggerConfig& logger, JsonWriter& out) {
    if (logger.path.has_value()) out.text("log_path", *logger.path);
    if (logger.level.has_value()) out.text("level", word_of(*logger.level, kLevels));
    if (logger.shows_level.has_value()) out.boolean("show_level", *logger.shows_level);
    if (logger.shows_origin.has_value()) out.boolean("show_log_origin", *logger.shows_origin);
    if (logger.module.has_value()) out.text("module", *logger.module);
}

Result<MetricsConfig> parse_metrics(const JsonNode& body) {
    JsonFields fields = TRY(JsonFields::of(body));
    MetricsConfig metrics{.path = TRY(required_path(fields, "metrics_path"))};
    TRY(fields.done());
    return metrics;
}

void write_metrics(const MetricsConfig& metrics, JsonWriter& out) {
    out.text("metrics_path", metrics.path);
}
