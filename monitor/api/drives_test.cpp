#include "monitor/api/drives.hpp"

#include <gtest/gtest.h>

#include "monitor/api/document_test.hpp"

namespace {

constexpr char kDrive[] =
    "{\"drive_id\":\"d.1-_Z\",\"path_on_host\":\"/disk\",\"is_root_device\":true,"
    "\"is_read_only\":true,\"partuuid\":\"0eaa91a0-01\",\"cache_type\":\"Writeback\","
    "\"io_engine\":\"Async\",\"rate_limiter\":{"
    "\"bandwidth\":{\"size\":9223372036854775807,\"one_time_burst\":null,\"refill_time\":1},"
    "\"ops\":{\"size\":1,\"one_time_burst\":9223372036854775807,"
    "\"refill_time\":9223372036854775807}}}";

constexpr char kShortDrive[] =
    "{\"drive_id\":\"d\",\"path_on_host\":\"/disk\",\"is_root_device\":false";

TEST(DriveDocument, GoesBothWays) {
    const DriveConfig drive = parsed(parse_drive, kDrive);
    const std::string whole(kDrive);
    EXPECT_EQ(written([&](JsonWriter& out) { write_drive(drive, out); }),
              whole.substr(0, whole.size() - 1) + ",\"socket\":null}");
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
              "\"is_read_only\":false,\"partuuid\":null,\"cache_type\":\"Unsafe\","
              "\"io_engine\":\"Sync\",\"rate_limiter\":null,\"socket\":null}");
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

}  // namespace
