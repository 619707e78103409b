#include "monitor/api/documents.hpp"

#include <array>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace {

template <typename Parse>
auto parsed(Parse parse, const std::string& text) {
    JsonDocument document;
    EXPECT_TRUE(document.parse(text).ok()) << text;
    auto result = parse(document.root());
    EXPECT_TRUE(result.ok()) << text << ": " << (result.ok() ? "" : result.error().what);
    return std::move(result).value();
}

// What is wrong with `text`, as a client is told it.
template <typename Parse>
std::string complaint(Parse parse, const std::string& text) {
    JsonDocument document;
    if (!document.parse(text).ok()) return "no JSON";
    const auto result = parse(document.root());
    if (result.ok()) return "none";
    std::array<char, 256> line{};
    format_error(result.error(), line);
    return line.data();
}

template <typename Write>
std::string written(Write write) {
    JsonWriter out;
    write(out);
    return out.finish();
}

// `text` without its field `name`, which is not the first one; as these tests write them.
std::string without(std::string text, const std::string& name) {
    const size_t at = text.find(",\"" + name + "\":");
    if (at == std::string::npos) return text;
    const size_t end = text.find_first_of(",}", at + 1);
    return text.erase(at, end - at);
}

std::string object_with(const std::string& start, const std::string& field,
                        const std::string& value) {
    return start + ",\"" + field + "\":" + value + "}";
}

void expect_same(const RateLimiterConfig& one, const RateLimiterConfig& other) {
    EXPECT_TRUE(one.bandwidth == other.bandwidth);
    EXPECT_TRUE(one.ops == other.ops);
}

// --- The machine --------------------------------------------------------------------------------

constexpr auto& kWhole = parse_whole_machine;
constexpr auto& kChange = parse_machine_change;

Config machine_of(const std::string& text) {
    Config config;
    apply(parsed(kWhole, text), config);
    return config;
}

TEST(MachineDocument, GoesBothWays) {
    for (const char* const text :
         {"{\"vcpu_count\":1,\"mem_size_mib\":2,\"smt\":false,\"track_dirty_pages\":false,"
          "\"huge_pages\":\"None\"}",
          "{\"vcpu_count\":32,\"mem_size_mib\":1048576,\"smt\":true,\"track_dirty_pages\":false,"
          "\"huge_pages\":\"None\"}"}) {
        const Config config = machine_of(text);
        EXPECT_EQ(written([&](JsonWriter& out) { write_machine(config, out); }), text);
    }
    const Config config = machine_of("{\"vcpu_count\":2,\"mem_size_mib\":3,\"smt\":true}");
    EXPECT_EQ(config.shape.vcpus, 2U);
    EXPECT_EQ(config.shape.memory_bytes, 3U << 20);
    EXPECT_EQ(config.shape.threads_per_core, 2U);
}

TEST(MachineDocument, HasLimits) {
    const auto with = [](const char* vcpus, const char* memory) {
        return complaint(
            kWhole, std::string("{\"vcpu_count\":") + vcpus + ",\"mem_size_mib\":" + memory + "}");
    };
    EXPECT_EQ(with("0", "128"), "vcpu_count: is too small");
    EXPECT_EQ(with("33", "128"), "vcpu_count: is too large");
    EXPECT_EQ(with("-1", "128"), "vcpu_count: is negative");
    EXPECT_EQ(with("4294967297", "128"), "vcpu_count: is too large");
    EXPECT_EQ(with("1", "0"), "mem_size_mib: is too small");
    EXPECT_EQ(with("1", "1"), "mem_size_mib: is too small");
    EXPECT_EQ(with("1", "1048577"), "mem_size_mib: is too large");
    EXPECT_EQ(with("1", "17592186044416"), "mem_size_mib: is too large");
    EXPECT_EQ(with("1", "128.0"), "mem_size_mib: is not a whole number of 64 bits");
}

TEST(MachineDocument, TakesOnlyWhatMeansNothingOfWhatItHasNot) {
    const std::string start = "{\"vcpu_count\":1,\"mem_size_mib\":128";
    for (const char* const field :
         {"\"track_dirty_pages\":false", "\"cpu_template\":\"None\"", "\"huge_pages\":\"None\"",
          "\"track_dirty_pages\":null", "\"cpu_template\":null", "\"huge_pages\":null"})
        EXPECT_EQ(complaint(kWhole, start + "," + field + "}"), "none") << field;
    EXPECT_EQ(complaint(kWhole, object_with(start, "track_dirty_pages", "true")),
              "track_dirty_pages: can only be false; Mayfly has no snapshots yet");
    EXPECT_EQ(complaint(kWhole, object_with(start, "cpu_template", "\"T2\"")),
              "cpu_template: can only be \"None\"; a guest sees the host's CPU");
    EXPECT_EQ(complaint(kWhole, object_with(start, "huge_pages", "\"2M\"")),
              "huge_pages: can only be \"None\"; see README, Memory");
    EXPECT_EQ(complaint(kWhole, object_with(start, "ht_enabled", "true")),
              "ht_enabled: is no field of this request");
}

TEST(MachineDocument, AsAWholeIsWhole) {
    EXPECT_EQ(complaint(kWhole, "{}"), "vcpu_count: is missing");
    EXPECT_EQ(complaint(kWhole, "{\"vcpu_count\":1}"), "mem_size_mib: is missing");
    EXPECT_EQ(complaint(kWhole, "{\"vcpu_count\":null,\"mem_size_mib\":2}"),
              "vcpu_count: is missing");
    Config config;
    config.shape.threads_per_core = 2;
    apply(parsed(kWhole, "{\"vcpu_count\":1,\"mem_size_mib\":2}"), config);
    EXPECT_EQ(config.shape.threads_per_core, 1U);
}

TEST(MachineDocument, AsAChangeLeavesTheRest) {
    Config config = machine_of("{\"vcpu_count\":4,\"mem_size_mib\":64,\"smt\":true}");
    apply(parsed(kChange, "{\"mem_size_mib\":32}"), config);
    EXPECT_EQ(config.shape.vcpus, 4U);
    EXPECT_EQ(config.shape.memory_bytes, 32U << 20);
    EXPECT_EQ(config.shape.threads_per_core, 2U);
    apply(parsed(kChange, "{\"smt\":false}"), config);
    EXPECT_EQ(config.shape.threads_per_core, 1U);
    apply(parsed(kChange, "{\"vcpu_count\":3}"), config);
    EXPECT_EQ(config.shape.vcpus, 3U);
}

TEST(MachineDocument, AsAChangeChangesSomething) {
    EXPECT_EQ(complaint(kChange, "{}"), "body: is empty; name a field to change");
    EXPECT_EQ(complaint(kChange, "{\"smt\":null,\"vcpu_count\":null}"),
              "body: is empty; name a field to change");
    EXPECT_EQ(complaint(kChange, "{\"track_dirty_pages\":false}"), "none");
    EXPECT_EQ(complaint(kChange, "{\"vcpus\":1}"), "vcpus: is no field of this request");
}

// --- The boot source ----------------------------------------------------------------------------

TEST(BootSourceDocument, GoesBothWays) {
    for (const char* const text : {"{\"kernel_image_path\":\"/k\",\"initrd_path\":\"/"
                                   "i\",\"boot_args\":\"quiet a=\\\"b\\\"\"}",
                                   "{\"kernel_image_path\":\"k\",\"boot_args\":\"\"}"}) {
        Config config;
        apply(parsed(parse_boot_source, text), config);
        EXPECT_EQ(written([&](JsonWriter& out) { write_boot_source(config, out); }), text);
    }
}

TEST(BootSourceDocument, HasFirecrackersArgumentsWithoutOnes) {
    const BootSource source = parsed(parse_boot_source, "{\"kernel_image_path\":\"k\"}");
    EXPECT_EQ(source.boot_args.substr(0, 17), "reboot=k panic=1 ");
    EXPECT_EQ(source.initrd_path, "");
    const BootSource null = parsed(
        parse_boot_source, "{\"kernel_image_path\":\"k\",\"boot_args\":null,\"initrd_path\":null}");
    EXPECT_EQ(null.boot_args, source.boot_args);
    EXPECT_EQ(null.initrd_path, "");
}

// What an earlier request said of the initrd does not stay.
TEST(BootSourceDocument, AppliesAsAWhole) {
    Config config;
    apply(parsed(parse_boot_source, "{\"kernel_image_path\":\"k\",\"initrd_path\":\"i\"}"), config);
    apply(parsed(parse_boot_source, "{\"kernel_image_path\":\"l\",\"boot_args\":\"x\"}"), config);
    EXPECT_EQ(config.boot.kernel_path, "l");
    EXPECT_EQ(config.boot.initrd_path, "");
    EXPECT_EQ(config.shape.command_line, "x");
}

TEST(BootSourceDocument, RefusesEmptyAndMissingPaths) {
    EXPECT_EQ(complaint(parse_boot_source, "{}"), "kernel_image_path: is missing");
    EXPECT_EQ(complaint(parse_boot_source, "{\"kernel_image_path\":\"\"}"),
              "kernel_image_path: is empty");
    EXPECT_EQ(complaint(parse_boot_source, "{\"kernel_image_path\":\"k\",\"initrd_path\":\"\"}"),
              "initrd_path: is empty");
    EXPECT_EQ(complaint(parse_boot_source, "{\"kernel_image_path\":\"k\\u0000\"}"),
              "kernel_image_path: has a zero byte");
    EXPECT_EQ(complaint(parse_boot_source, "{\"kernel_image_path\":[\"k\"]}"),
              "kernel_image_path: is not a string");
}

// --- Drives -------------------------------------------------------------------------------------

constexpr char kDrive[] =
    "{\"drive_id\":\"d.1-_Z\",\"path_on_host\":\"/disk\",\"is_root_device\":true,"
    "\"is_read_only\":true,\"partuuid\":\"0eaa91a0-01\",\"cache_type\":\"Writeback\","
    "\"io_engine\":\"Async\",\"rate_limiter\":{"
    "\"bandwidth\":{\"size\":9223372036854775807,\"one_time_burst\":0,\"refill_time\":1},"
    "\"ops\":{\"size\":1,\"one_time_burst\":9223372036854775807,"
    "\"refill_time\":9223372036854775807}}}";

constexpr char kShortDrive[] =
    "{\"drive_id\":\"d\",\"path_on_host\":\"/disk\",\"is_root_device\":false";

TEST(DriveDocument, GoesBothWays) {
    const DriveConfig drive = parsed(parse_drive, kDrive);
    EXPECT_EQ(written([&](JsonWriter& out) { write_drive(drive, out); }), kDrive);
    EXPECT_EQ(drive.shape.id, "d.1-_Z");
    EXPECT_EQ(drive.host.path, "/disk");
    EXPECT_TRUE(drive.shape.is_root);
    EXPECT_EQ(drive.shape.access, DiskAccess::kReadOnly);
    EXPECT_EQ(drive.shape.partuuid, "0eaa91a0-01");
    EXPECT_EQ(drive.shape.cache, DiskCache::kWriteback);
    EXPECT_EQ(drive.host.engine, DiskEngine::kAsync);
    EXPECT_EQ(drive.host.limits.ops.size, 1U);
}

TEST(DriveDocument, HasFirecrackersDefaults) {
    const DriveConfig drive = parsed(parse_drive, std::string(kShortDrive) + "}");
    EXPECT_EQ(drive.shape.access, DiskAccess::kReadWrite);
    EXPECT_EQ(drive.shape.cache, DiskCache::kUnsafe);
    EXPECT_EQ(drive.host.engine, DiskEngine::kSync);
    EXPECT_EQ(drive.shape.partuuid, "");
    EXPECT_FALSE(drive.host.limits.bandwidth.is_limited());
    EXPECT_FALSE(drive.host.limits.ops.is_limited());
    EXPECT_EQ(written([&](JsonWriter& out) { write_drive(drive, out); }),
              "{\"drive_id\":\"d\",\"path_on_host\":\"/disk\",\"is_root_device\":false,"
              "\"is_read_only\":false,\"cache_type\":\"Unsafe\",\"io_engine\":\"Sync\"}");
    for (const char* const field :
         {"is_read_only", "partuuid", "cache_type", "io_engine", "rate_limiter", "socket"})
        EXPECT_EQ(complaint(parse_drive, object_with(kShortDrive, field, "null")), "none") << field;
}

TEST(DriveDocument, RequiresItsFields) {
    const std::string whole = std::string(kShortDrive) + "}";
    for (const char* const field : {"path_on_host", "is_root_device"})
        EXPECT_EQ(complaint(parse_drive, without(whole, field)),
                  std::string(field) + ": is missing");
    EXPECT_EQ(complaint(parse_drive, "{}"), "drive_id: is missing");
}

TEST(DriveDocument, SaysWhatIsWrong) {
    const auto with = [](const char* field, const char* value) {
        return complaint(parse_drive, object_with(kShortDrive, field, value));
    };
    EXPECT_EQ(with("cache_type", "\"unsafe\""), "cache_type: is neither Unsafe nor Writeback");
    EXPECT_EQ(with("io_engine", "\"\""), "io_engine: is neither Sync nor Async");
    EXPECT_EQ(with("partuuid", "\"a b\""), "partuuid: has blanks or quotes");
    EXPECT_EQ(with("partuuid", "\"a\\\"\""), "partuuid: has blanks or quotes");
    EXPECT_EQ(with("socket", "\"/s\""),
              "socket: is vhost-user's, which Mayfly does not have; give path_on_host");
    EXPECT_EQ(with("is_read_only", "0"), "is_read_only: is neither true nor false");
    EXPECT_EQ(with("rate_limiter", "[]"), "rate_limiter: is not an object");
    EXPECT_EQ(with("drive_id", "\"d\""), "drive_id: is given twice");
    for (const char* const id : {"", "a/b", "a b", "\xc3\xbc", "a\\n", ".\\u0000"})
        EXPECT_NE(complaint(parse_drive, std::string("{\"drive_id\":\"") + id +
                                             "\",\"path_on_host\":\"p\",\"is_root_device\":true}"),
                  "none")
            << id;
}

TEST(RateLimiterDocument, HasWholeBuckets) {
    const auto with = [](const std::string& bucket) {
        return complaint(parse_drive,
                         object_with(kShortDrive, "rate_limiter", "{\"ops\":" + bucket + "}"));
    };
    EXPECT_EQ(with("{\"size\":0,\"refill_time\":0}"), "none");
    EXPECT_EQ(with("null"), "none");
    EXPECT_EQ(with("{\"size\":1,\"refill_time\":1,\"one_time_burst\":null}"), "none");
    EXPECT_EQ(with("{\"size\":1}"), "refill_time: is missing");
    EXPECT_EQ(with("{\"refill_time\":1}"), "size: is missing");
    EXPECT_EQ(with("{\"size\":-1,\"refill_time\":1}"), "size: is negative");
    EXPECT_EQ(with("{\"size\":9223372036854775808,\"refill_time\":1}"), "size: is too large");
    EXPECT_EQ(with("{\"size\":1,\"refill_time\":9223372036854775808}"),
              "refill_time: is too large");
    EXPECT_EQ(with("{\"size\":1,\"refill_time\":1,\"one_time_burst\":9223372036854775808}"),
              "one_time_burst: is too large");
    EXPECT_EQ(with("{\"size\":1,\"refill_time\":1,\"burst\":1}"),
              "burst: is no field of this request");
    EXPECT_EQ(with("7"), "ops: is not an object");
    EXPECT_EQ(complaint(parse_drive, object_with(kShortDrive, "rate_limiter", "{\"iops\":{}}")),
              "iops: is no field of this request");
}

TEST(DriveChangeDocument, NamesWhatChanges) {
    const DriveChange none = parsed(parse_drive_change, "{\"drive_id\":\"d\"}");
    EXPECT_EQ(none.id, "d");
    EXPECT_EQ(none.path, std::nullopt);
    EXPECT_FALSE(none.limits.bandwidth.has_value() || none.limits.ops.has_value());
    const DriveChange some = parsed(parse_drive_change,
                                    "{\"drive_id\":\"d\",\"path_on_host\":\"/p\",\"rate_limiter\":{"
                                    "\"bandwidth\":null,\"ops\":{\"size\":0,\"refill_time\":0}}}");
    EXPECT_EQ(some.path, "/p");
    EXPECT_FALSE(some.limits.bandwidth.has_value());
    ASSERT_TRUE(some.limits.ops.has_value());
    EXPECT_FALSE(some.limits.ops->is_limited());
    EXPECT_EQ(complaint(parse_drive_change, "{\"path_on_host\":\"/p\"}"), "drive_id: is missing");
    EXPECT_EQ(complaint(parse_drive_change, "{\"drive_id\":\"d\",\"path_on_host\":\"\"}"),
              "path_on_host: is empty");
    EXPECT_EQ(complaint(parse_drive_change, "{\"drive_id\":\"d\",\"is_read_only\":true}"),
              "is_read_only: is no field of this request");
}

TEST(LimitsChange, LeavesABucketThatIsAbsent) {
    constexpr TokenBucketConfig kOne{.size = 1, .one_time_burst = 2, .refill_time_ms = 3};
    constexpr TokenBucketConfig kOther{.size = 4, .one_time_burst = 5, .refill_time_ms = 6};
    RateLimiterConfig limits{.bandwidth = kOne, .ops = kOne};
    apply(LimitsChange{}, limits);
    expect_same(limits, {.bandwidth = kOne, .ops = kOne});
    apply(LimitsChange{.bandwidth = {}, .ops = kOther}, limits);
    expect_same(limits, {.bandwidth = kOne, .ops = kOther});
    apply(LimitsChange{.bandwidth = TokenBucketConfig{}, .ops = {}}, limits);
    expect_same(limits, {.bandwidth = {}, .ops = kOther});
}

// --- NICs ---------------------------------------------------------------------------------------

constexpr char kNic[] =
    "{\"iface_id\":\"eth0\",\"host_dev_name\":\"tap0\",\"guest_mac\":\"06:00:ac:10:00:ff\","
    "\"mtu\":1500,\"rx_rate_limiter\":{"
    "\"bandwidth\":{\"size\":1,\"one_time_burst\":2,\"refill_time\":3}},"
    "\"tx_rate_limiter\":{\"ops\":{\"size\":4,\"one_time_burst\":5,\"refill_time\":6}}}";

constexpr char kShortNic[] = "{\"iface_id\":\"e\",\"host_dev_name\":\"tap0\"";

TEST(NicDocument, GoesBothWays) {
    const NicConfig nic = parsed(parse_nic, kNic);
    EXPECT_EQ(written([&](JsonWriter& out) { write_nic(nic, out); }), kNic);
    EXPECT_EQ(nic.host.receive_limits.bandwidth.one_time_burst, 2U);
    EXPECT_EQ(nic.host.transmit_limits.ops.refill_time_ms, 6U);
    const std::string short_one = std::string(kShortNic) + "}";
    const NicConfig plain = parsed(parse_nic, short_one);
    EXPECT_EQ(plain.shape.mac, std::nullopt);
    EXPECT_EQ(plain.shape.mtu, std::nullopt);
    EXPECT_EQ(plain.host.fd, std::nullopt);
    EXPECT_EQ(written([&](JsonWriter& out) { write_nic(plain, out); }), short_one);
}

TEST(NicDocument, SaysWhatIsWrong) {
    const auto with = [](const char* field, const char* value) {
        return complaint(parse_nic, object_with(kShortNic, field, value));
    };
    EXPECT_EQ(with("mtu", "68"), "none");
    EXPECT_EQ(with("mtu", "65535"), "none");
    EXPECT_EQ(with("mtu", "67"), "mtu: is too small");
    EXPECT_EQ(with("mtu", "65536"), "mtu: is too large");
    EXPECT_EQ(with("guest_mac", "null"), "none");
    for (const char* const mac : {"\"\"", "\"06:00:ac:10:00\"", "\"06:00:ac:10:00:0g\"",
                                  "\"07:00:ac:10:00:02\"", "\"06:00:ac:10:00:02:03\""})
        EXPECT_EQ(with("guest_mac", mac).substr(0, 11), "guest_mac: ") << mac;
    EXPECT_EQ(complaint(parse_nic, "{\"iface_id\":\"e\"}"), "host_dev_name: is missing");
    EXPECT_EQ(complaint(parse_nic, "{\"iface_id\":\"e\",\"host_dev_name\":\"\"}"),
              "host_dev_name: is empty");
    EXPECT_EQ(complaint(parse_nic, "{\"iface_id\":\"a/b\",\"host_dev_name\":\"t\"}"),
              "iface_id: takes letters, digits, '-', '_' and '.'");
}

TEST(NicChangeDocument, NamesWhatChanges) {
    const NicChange change =
        parsed(parse_nic_change,
               "{\"iface_id\":\"e\",\"rx_rate_limiter\":{\"ops\":{\"size\":1,\"refill_time\":2}}}");
    EXPECT_FALSE(change.receive.bandwidth.has_value());
    EXPECT_EQ(change.receive.ops->refill_time_ms, 2U);
    EXPECT_FALSE(change.transmit.bandwidth.has_value() || change.transmit.ops.has_value());
    EXPECT_EQ(complaint(parse_nic_change, "{\"iface_id\":\"e\",\"guest_mac\":null}"),
              "guest_mac: is no field of this request");
    EXPECT_EQ(complaint(parse_nic_change, "{}"), "iface_id: is missing");
}

// --- The rest -----------------------------------------------------------------------------------

TEST(SerialDocument, GoesBothWays) {
    Config config;
    config.host.serial_output_path =
        parsed(parse_serial, "{\"serial_out_path\":\"/o\"}").output_path;
    EXPECT_EQ(written([&](JsonWriter& out) { write_serial(config, out); }),
              "{\"serial_out_path\":\"/o\"}");
    EXPECT_EQ(parsed(parse_serial, "{}").output_path, "");
    EXPECT_EQ(written([](JsonWriter& out) { write_serial({}, out); }), "{}");
    EXPECT_EQ(complaint(parse_serial, "{\"output_path\":\"/o\"}"),
              "output_path: is no field of this request");
}

TEST(ActionDocument, IsOneOfThree) {
    EXPECT_EQ(parsed(parse_action, "{\"action_type\":\"InstanceStart\"}"),
              ApiAction::kInstanceStart);
    EXPECT_EQ(parsed(parse_action, "{\"action_type\":\"FlushMetrics\"}"), ApiAction::kFlushMetrics);
    EXPECT_EQ(parsed(parse_action, "{\"action_type\":\"SendCtrlAltDel\"}"),
              ApiAction::kSendCtrlAltDel);
    EXPECT_EQ(complaint(parse_action, "{}"), "action_type: is missing");
    for (const char* const action : {"instancestart", "InstanceStart ", "InstanceHalt", ""})
        EXPECT_EQ(complaint(parse_action, std::string("{\"action_type\":\"") + action + "\"}"),
                  "action_type: is none of InstanceStart, FlushMetrics and SendCtrlAltDel");
}

TEST(VmStateDocument, IsOneOfTwo) {
    EXPECT_EQ(parsed(parse_vm_state, "{\"state\":\"Paused\"}"), VmState::kPaused);
    EXPECT_EQ(parsed(parse_vm_state, "{\"state\":\"Resumed\"}"), VmState::kResumed);
    EXPECT_EQ(complaint(parse_vm_state, "{\"state\":\"Running\"}"),
              "state: is neither Paused nor Resumed");
    EXPECT_EQ(complaint(parse_vm_state, "{\"state\":null}"), "state: is missing");
}

TEST(LoggerDocument, GoesBothWays) {
    for (const char* const level : {"Off", "Error", "Warning", "Info", "Debug", "Trace"}) {
        const std::string text = std::string("{\"log_path\":\"/l\",\"level\":\"") + level +
                                 "\",\"show_level\":true,\"show_log_origin\":false,"
                                 "\"module\":\"virtio/\"}";
        const LoggerConfig logger = parsed(parse_logger, text);
        EXPECT_EQ(written([&](JsonWriter& out) { write_logger(logger, out); }), text);
    }
    const LoggerConfig none = parsed(parse_logger, "{}");
    EXPECT_EQ(written([&](JsonWriter& out) { write_logger(none, out); }), "{}");
}

TEST(LoggerDocument, TakesALevelInAnyCase) {
    for (const char* const level : {"WARN", "warn", "Warning", "wArNiNg"})
        EXPECT_EQ(parsed(parse_logger, std::string("{\"level\":\"") + level + "\"}").level,
                  LogLevel::kWarning);
    EXPECT_EQ(parsed(parse_logger, "{\"level\":\"off\"}").level, LogLevel::kOff);
    for (const char* const level : {"", "Warn ", "Inf", "Infos", "\\u0049\\u004e\\u0046\\u00D6"})
        EXPECT_EQ(complaint(parse_logger, std::string("{\"level\":\"") + level + "\"}"),
                  "level: is none of Off, Error, Warning, Info, Debug and Trace");
}

TEST(MetricsDocument, GoesBothWays) {
    const MetricsConfig metrics = parsed(parse_metrics, "{\"metrics_path\":\"/m\"}");
    EXPECT_EQ(written([&](JsonWriter& out) { write_metrics(metrics, out); }),
              "{\"metrics_path\":\"/m\"}");
    EXPECT_EQ(complaint(parse_metrics, "{}"), "metrics_path: is missing");
    EXPECT_EQ(complaint(parse_metrics, "{\"metrics_path\":\"\"}"), "metrics_path: is empty");
}

// A body is an object for every document, and no document takes a field of another's.
TEST(Documents, RefuseStrangers) {
    const auto all =
        std::array{complaint(parse_whole_machine, "{\"x\":1,\"vcpu_count\":1,\"mem_size_mib\":2}"),
                   complaint(parse_machine_change, "{\"x\":1}"),
                   complaint(parse_boot_source, "{\"x\":1,\"kernel_image_path\":\"k\"}"),
                   complaint(parse_drive, object_with(kShortDrive, "x", "1")),
                   complaint(parse_drive_change, "{\"x\":1,\"drive_id\":\"d\"}"),
                   complaint(parse_nic, object_with(kShortNic, "x", "1")),
                   complaint(parse_nic_change, "{\"x\":1,\"iface_id\":\"e\"}"),
                   complaint(parse_serial, "{\"x\":1}"),
                   complaint(parse_action, "{\"x\":1,\"action_type\":\"InstanceStart\"}"),
                   complaint(parse_vm_state, "{\"x\":1,\"state\":\"Paused\"}"),
                   complaint(parse_logger, "{\"x\":1}"),
                   complaint(parse_metrics, "{\"x\":1,\"metrics_path\":\"m\"}")};
    for (const std::string& said : all) EXPECT_EQ(said, "x: is no field of this request");
}

}  // namespace
