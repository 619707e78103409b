#include "monitor/api/request.hpp"

#include <array>
#include <gtest/gtest.h>
#include <string>

#include "monitor/api/words.hpp"

namespace {

constexpr char kMachine[] = "{\"vcpu_count\":1,\"mem_size_mib\":128}";
constexpr char kBoot[] = "{\"kernel_image_path\":\"k\"}";
constexpr char kDrive[] = "{\"drive_id\":\"d\",\"path_on_host\":\"p\",\"is_root_device\":false}";
constexpr char kNic[] = "{\"iface_id\":\"e\",\"host_dev_name\":\"t\"}";
constexpr char kAction[] = "{\"action_type\":\"InstanceStart\"}";
constexpr char kNoRoute[] = "request: has no such method and path; see openapi.json";

std::string complaint(HttpMethod method, std::string_view path, std::string_view body = {}) {
    JsonDocument document;
    const auto request = parse_request({.method = method, .path = path, .body = body}, document);
    if (request.ok()) return "none";
    std::array<char, 512> line{};
    format_error(request.error(), line);
    return line.data();
}

// Whether it is understood as a `T`.
template <typename T>
bool is(HttpMethod method, std::string_view path, std::string_view body = {}) {
    JsonDocument document;
    const auto request = parse_request({.method = method, .path = path, .body = body}, document);
    return request.ok() && std::holds_alternative<T>(request.value());
}

std::optional<Inquiry> inquiry(std::string_view path) {
    JsonDocument document;
    const auto request =
        parse_request({.method = HttpMethod::kGet, .path = path, .body = {}}, document);
    if (!request.ok()) return {};
    return std::get<Inquiry>(request.value());
}

TEST(ApiRequest, AnswersFiveQuestions) {
    EXPECT_EQ(inquiry("/"), Inquiry::kInstance);
    EXPECT_EQ(inquiry("/version"), Inquiry::kVersion);
    EXPECT_EQ(inquiry("/vm/config"), Inquiry::kConfig);
    EXPECT_EQ(inquiry("/machine-config"), Inquiry::kMachine);
    EXPECT_EQ(inquiry("/metrics/prometheus"), Inquiry::kPrometheus);
    EXPECT_EQ(complaint(HttpMethod::kGet, "/", "{}"), "body: is not taken by a GET");
}

TEST(ApiRequest, HasARouteForEachThing) {
    EXPECT_TRUE(is<MachineChange>(HttpMethod::kPut, "/machine-config", kMachine));
    EXPECT_TRUE(is<MachineChange>(HttpMethod::kPatch, "/machine-config", "{\"smt\":false}"));
    EXPECT_TRUE(is<BootSource>(HttpMethod::kPut, "/boot-source", kBoot));
    EXPECT_TRUE(is<DriveConfig>(HttpMethod::kPut, "/drives/d", kDrive));
    EXPECT_TRUE(is<DriveChange>(HttpMethod::kPatch, "/drives/d", "{\"drive_id\":\"d\"}"));
    EXPECT_TRUE(is<NicConfig>(HttpMethod::kPut, "/network-interfaces/e", kNic));
    EXPECT_TRUE(is<NicChange>(HttpMethod::kPatch, "/network-interfaces/e", "{\"iface_id\":\"e\"}"));
    EXPECT_TRUE(is<SerialConfig>(HttpMethod::kPut, "/serial", "{}"));
    EXPECT_TRUE(is<ApiAction>(HttpMethod::kPut, "/actions", kAction));
    EXPECT_TRUE(is<VmState>(HttpMethod::kPatch, "/vm", "{\"state\":\"Paused\"}"));
    EXPECT_TRUE(is<LoggerConfig>(HttpMethod::kPut, "/logger", "{}"));
    EXPECT_TRUE(is<MetricsConfig>(HttpMethod::kPut, "/metrics", "{\"metrics_path\":\"m\"}"));
}

// PUT asks for the whole, PATCH for a part.
TEST(ApiRequest, TellsMethodsApart) {
    EXPECT_EQ(complaint(HttpMethod::kPut, "/machine-config", "{\"smt\":false}"),
              "vcpu_count: is missing");
    EXPECT_EQ(complaint(HttpMethod::kPut, "/drives/d", "{\"drive_id\":\"d\"}"),
              "path_on_host: is missing");
    EXPECT_EQ(complaint(HttpMethod::kPatch, "/drives/d", kDrive),
              "is_root_device: is no field of this request");
}

TEST(ApiRequest, HasNoOtherMethods) {
    for (const char* const path : {"/boot-source", "/drives/d", "/network-interfaces/e", "/serial",
                                   "/actions", "/vm", "/logger", "/metrics", "/drives"})
        EXPECT_EQ(complaint(HttpMethod::kGet, path), kNoRoute) << path;
    for (const char* const path : {"/", "/version", "/vm", "/vm/config", "/metrics/prometheus"})
        EXPECT_EQ(complaint(HttpMethod::kPut, path, "{}"), kNoRoute) << path;
    for (const char* const path :
         {"/", "/version", "/boot-source", "/serial", "/actions", "/logger", "/metrics"})
        EXPECT_EQ(complaint(HttpMethod::kPatch, path, "{}"), kNoRoute) << path;
    for (const char* const path : {"/", "/machine-config", "/drives/d", "/actions"})
        EXPECT_EQ(complaint(HttpMethod::kOther, path, "{}"), kNoRoute) << path;
}

TEST(ApiRequest, NearMissesAreNoRoutes) {
    for (const char* const path :
         {"", "//", "/Version", "/version/", "/version?x=1", "/versions", "/vm/", "/vm/config/",
          "/machine-config/", "/machine-config%20", "/metrics", "/metrics/", "/x"})
        EXPECT_EQ(complaint(HttpMethod::kGet, path), kNoRoute) << path;
    for (const char* const path :
         {"/drives", "/drives/", "/drives//", "/drives/d/", "/drives/d/e", "//drives/d",
          "/drivesx/d", "/network-interfaces", "/network-interfaces/", "/network-interfaces/e/f",
          "/machine-configx", "/boot-source/", "/actions/x", "/serial/", "", "/"})
        EXPECT_EQ(complaint(HttpMethod::kPut, path, "{}"), kNoRoute) << path;
}

TEST(ApiRequest, TheIdsOfPathAndBodyAreTheSame) {
    for (const char* const id : {"D", "d2", "%64", "d?x", ".."}) {
        EXPECT_EQ(complaint(HttpMethod::kPut, std::string("/drives/") + id, kDrive),
                  "drive_id: is not the one in the path");
        EXPECT_EQ(
            complaint(HttpMethod::kPatch, std::string("/drives/") + id, "{\"drive_id\":\"d\"}"),
            "drive_id: is not the one in the path");
        EXPECT_EQ(complaint(HttpMethod::kPut, std::string("/network-interfaces/") + id, kNic),
                  "iface_id: is not the one in the path");
        EXPECT_EQ(complaint(HttpMethod::kPatch, std::string("/network-interfaces/") + id,
                            "{\"iface_id\":\"e\"}"),
                  "iface_id: is not the one in the path");
    }
}

TEST(ApiRequest, WhatMayflyHasNotIsRefusedWithTheReason) {
    for (const HttpMethod method :
         {HttpMethod::kGet, HttpMethod::kPut, HttpMethod::kPatch, HttpMethod::kOther}) {
        for (const char* const path :
             {"/vsock", "/balloon", "/balloon/statistics", "/entropy", "/pmem/p0", "/pmem",
              "/hotplug/memory", "/balloon/hinting/start"})
            EXPECT_NE(complaint(method, path, "{}").find("three kinds of device"),
                      std::string::npos)
                << path;
        for (const char* const path : {"/snapshot/create", "/snapshot/load", "/snapshot"})
            EXPECT_NE(complaint(method, path).find("snapshots"), std::string::npos) << path;
        EXPECT_NE(complaint(method, "/mmds/config", "{}").find("metadata"), std::string::npos);
        EXPECT_NE(complaint(method, "/cpu-config", "x").find("CPU"), std::string::npos);
    }
    EXPECT_EQ(complaint(HttpMethod::kPut, "/vsock", "{}").substr(0, 7), "/vsock:");
}

TEST(ApiRequest, WhatOnlyBeginsLikeARefusedRouteIsNone) {
    for (const char* const path :
         {"/vsockx", "/balloons", "/entropy2", "/pmemx/1", "/snapshots", "/mmdsx", "/cpu-configs",
          "/hotplugs/memory", "/Vsock", "/vsock?x", "//vsock", "/vsoc"})
        EXPECT_EQ(complaint(HttpMethod::kPut, path, "{}"), kNoRoute) << path;
}

TEST(ApiRequest, ABodyIsThereAndIsAnObject) {
    EXPECT_EQ(complaint(HttpMethod::kPut, "/serial"), "body: is missing");
    EXPECT_EQ(complaint(HttpMethod::kPut, "/serial", "[]"), "JSON: is not an object");
    EXPECT_EQ(
        complaint(HttpMethod::kPut, "/serial", "{} {}"),
        "JSON: cannot be read from byte 3 on: The document root must not be followed by other "
        "values.");
    EXPECT_EQ(complaint(HttpMethod::kPut, "/serial", "{\"serial_out_path\":1}"),
              "serial_out_path: is not a string");
}

TEST(IsWord, LetterByLetter) {
    EXPECT_TRUE(is_word("Info", "Info", LetterCase::kMatters));
    EXPECT_FALSE(is_word("info", "Info", LetterCase::kMatters));
    EXPECT_TRUE(is_word("iNFO", "Info", LetterCase::kIgnored));
    EXPECT_FALSE(is_word("Inf", "Info", LetterCase::kIgnored));
    // What differs from a letter in the bit that capitals have.
    EXPECT_FALSE(is_word("[nfo", "{nfo", LetterCase::kIgnored));
    EXPECT_FALSE(is_word("@", "`", LetterCase::kIgnored));
}

}  // namespace
