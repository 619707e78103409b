#include "monitor/api/resources.hpp"

#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <set>
#include <string>

#include "monitor/api/controller_fixture.hpp"

namespace {

constexpr char kMachine[] = "{\"vcpu_count\":1,\"mem_size_mib\":128}";
constexpr char kBoot[] = "{\"kernel_image_path\":\"k\"}";
constexpr char kDrive[] = "{\"drive_id\":\"d\",\"path_on_host\":\"p\",\"is_root_device\":false}";
constexpr char kNic[] = "{\"iface_id\":\"e\",\"host_dev_name\":\"t\"}";
constexpr char kAction[] = "{\"action_type\":\"InstanceStart\"}";
constexpr std::string_view kNotNow = "The requested operation is not supported ";
constexpr char kNoRoute[] = "Invalid request method and/or path: see openapi.json";

class ResourcesTest : public ControllerTest {
protected:
    std::string complaint(HttpMethod method, const std::string& path,
                          const std::string& body = {}) {
        return ask(method, path, body);
    }
    // That the request is understood: it is refused for the VM's state alone.
    void expect_understood(HttpMethod method, const std::string& path, const std::string& body) {
        EXPECT_EQ(ask(method, path, body).substr(0, kNotNow.size()), kNotNow) << path;
    }
};

TEST_F(ResourcesTest, AnswersFiveQuestions) {
    EXPECT_NE(get("/").find("\"app_name\""), std::string::npos);
    EXPECT_NE(get("/version").find("\"firecracker_version\""), std::string::npos);
    EXPECT_NE(get("/vm/config").find("\"drives\""), std::string::npos);
    EXPECT_EQ(get("/machine-config").substr(0, 18), "200 {\"vcpu_count\":");
    EXPECT_EQ(get("/metrics/prometheus").substr(0, 6), "200 # ");
    EXPECT_EQ(complaint(HttpMethod::kGet, "/", "{}"), "GET request cannot have a body.");
}

TEST_F(ResourcesTest, HasARouteForEachThing) {
    expect_understood(HttpMethod::kPatch, "/drives/d", "{\"drive_id\":\"d\"}");
    expect_understood(HttpMethod::kPatch, "/network-interfaces/e", "{\"iface_id\":\"e\"}");
    expect_understood(HttpMethod::kPatch, "/vm", "{\"state\":\"Paused\"}");
    controller_.on_started(vm_);
    expect_understood(HttpMethod::kPut, "/machine-config", kMachine);
    expect_understood(HttpMethod::kPatch, "/machine-config", "{\"smt\":false}");
    expect_understood(HttpMethod::kPut, "/boot-source", kBoot);
    expect_understood(HttpMethod::kPut, "/drives/d", kDrive);
    expect_understood(HttpMethod::kPut, "/network-interfaces/e", kNic);
    expect_understood(HttpMethod::kPut, "/serial", "{}");
    expect_understood(HttpMethod::kPut, "/actions", kAction);
    expect_understood(HttpMethod::kPut, "/logger", "{}");
    expect_understood(HttpMethod::kPut, "/metrics", "{\"metrics_path\":\"m\"}");
}

// No document takes a field of another's.
TEST_F(ResourcesTest, RefuseStrangers) {
    const auto expect_refused = [this](HttpMethod method, const std::string& path,
                                       const std::string& body) {
        const std::string more = body == "{}" ? "{\"x\":1" : "{\"x\":1,";
        EXPECT_EQ(ask(method, path, more + body.substr(1)), "x: is no field of this request");
    };
    expect_refused(HttpMethod::kPut, "/machine-config", kMachine);
    expect_refused(HttpMethod::kPatch, "/machine-config", "{}");
    expect_refused(HttpMethod::kPut, "/boot-source", kBoot);
    expect_refused(HttpMethod::kPut, "/drives/d", kDrive);
    expect_refused(HttpMethod::kPatch, "/drives/d", "{\"drive_id\":\"d\"}");
    expect_refused(HttpMethod::kPut, "/network-interfaces/e", kNic);
    expect_refused(HttpMethod::kPatch, "/network-interfaces/e", "{\"iface_id\":\"e\"}");
    expect_refused(HttpMethod::kPut, "/serial", "{}");
    expect_refused(HttpMethod::kPut, "/actions", kAction);
    expect_refused(HttpMethod::kPatch, "/vm", "{\"state\":\"Paused\"}");
    expect_refused(HttpMethod::kPut, "/logger", "{}");
    expect_refused(HttpMethod::kPut, "/metrics", "{\"metrics_path\":\"m\"}");
}

// PUT asks for the whole, PATCH for a part.
TEST_F(ResourcesTest, TellsMethodsApart) {
    EXPECT_EQ(complaint(HttpMethod::kPut, "/machine-config", "{\"smt\":false}"),
              "vcpu_count: is missing");
    EXPECT_EQ(complaint(HttpMethod::kPut, "/drives/d", "{\"drive_id\":\"d\"}"),
              "path_on_host: is missing");
    EXPECT_EQ(complaint(HttpMethod::kPatch, "/drives/d", kDrive),
              "is_root_device: is no field of this request");
}

TEST_F(ResourcesTest, HasNoOtherMethods) {
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

TEST_F(ResourcesTest, NearMissesAreNoRoutes) {
    for (const char* const path :
         {"", "/Version", "/version?x=1", "/versions", "/vm/", "/vm//config", "//version",
          "/machine-config%20", "/metrics", "/metrics/", "/x"})
        EXPECT_EQ(complaint(HttpMethod::kGet, path), kNoRoute) << path;
    for (const char* const path :
         {"/drives", "/drives/", "/drives//", "/drives/d/e", "//drives/d", "/drivesx/d",
          "/network-interfaces", "/network-interfaces/", "/network-interfaces/e/f",
          "/machine-configx", "/actions/x", "", "/"})
        EXPECT_EQ(complaint(HttpMethod::kPut, path, "{}"), kNoRoute) << path;
}

TEST_F(ResourcesTest, ASlashAtTheEndIsAsNone) {
    EXPECT_EQ(get("/version/"), get("/version"));
    EXPECT_EQ(get("//"), get("/"));
    EXPECT_EQ(get("/vm/config//"), get("/vm/config"));
    EXPECT_EQ(complaint(HttpMethod::kPut, "/drives/d/", kDrive),
              complaint(HttpMethod::kPut, "/drives/d", kDrive));
}

TEST_F(ResourcesTest, TheIdsOfPathAndBodyAreTheSame) {
    for (const char* const id : {"D", "d2", "%64", "d?x", ".."}) {
        EXPECT_EQ(complaint(HttpMethod::kPut, std::string("/drives/") + id, kDrive),
                  "drive_id: The id from the path does not match the id from the body!");
        EXPECT_EQ(
            complaint(HttpMethod::kPatch, std::string("/drives/") + id, "{\"drive_id\":\"d\"}"),
            "drive_id: The id from the path does not match the id from the body!");
        EXPECT_EQ(complaint(HttpMethod::kPut, std::string("/network-interfaces/") + id, kNic),
                  "iface_id: The id from the path does not match the id from the body!");
        EXPECT_EQ(complaint(HttpMethod::kPatch, std::string("/network-interfaces/") + id,
                            "{\"iface_id\":\"e\"}"),
                  "iface_id: The id from the path does not match the id from the body!");
    }
}

TEST_F(ResourcesTest, WhatMayflyHasNotIsRefusedWithTheReason) {
    for (const HttpMethod method :
         {HttpMethod::kGet, HttpMethod::kPut, HttpMethod::kPatch, HttpMethod::kOther}) {
        for (const char* const path :
             {"/vsock", "/balloon", "/balloon/statistics", "/entropy", "/pmem/p0", "/pmem",
              "/hotplug/memory", "/balloon/hinting/start"})
            EXPECT_NE(complaint(method, path, "{}").find("three kinds of device"),
                      std::string::npos)
                << path;
        EXPECT_NE(complaint(method, "/mmds/config", "{}").find("metadata"), std::string::npos);
        EXPECT_NE(complaint(method, "/cpu-config", "x").find("CPU"), std::string::npos);
    }
    EXPECT_EQ(complaint(HttpMethod::kPut, "/vsock", "{}").substr(0, 58),
              "Invalid request method and/or path: /vsock: Mayfly has thr");
}

TEST_F(ResourcesTest, WhatOnlyBeginsLikeARefusedRouteIsNone) {
    for (const char* const path :
         {"/vsockx", "/balloons", "/entropy2", "/pmemx/1", "/snapshots", "/mmdsx", "/cpu-configs",
          "/hotplugs/memory", "/Vsock", "/vsock?x", "//vsock", "/vsoc"})
        EXPECT_EQ(complaint(HttpMethod::kPut, path, "{}"), kNoRoute) << path;
}

TEST_F(ResourcesTest, ABodyIsThereAndIsAnObject) {
    EXPECT_EQ(complaint(HttpMethod::kPut, "/serial"), "Empty PUT request.");
    EXPECT_EQ(complaint(HttpMethod::kPut, "/serial", "[]"), "JSON: is not an object");
    EXPECT_EQ(
        complaint(HttpMethod::kPut, "/serial", "{} {}"),
        "JSON: cannot be read from byte 3 on: The document root must not be followed by other "
        "values.");
    EXPECT_EQ(complaint(HttpMethod::kPut, "/serial", "{\"serial_out_path\":1}"),
              "serial_out_path: is not a string");
}

// --- openapi.json -------------------------------------------------------------------------------

std::string word_of_method(HttpMethod method) {
    std::string word = name_of(method);
    for (char& letter : word) letter = static_cast<char>(letter | 0x20);
    return word;
}

std::string word_of_time(When when) {
    switch (when) {
        case When::kBefore:
            return "before";
        case When::kAfter:
            return "after";
        case When::kAlways:
            return "always";
    }
    return "?";
}

// The description of the API, against the table that it describes.
class OpenApiTest : public testing::Test {
protected:
    void SetUp() override {
        std::ifstream file(OPENAPI_FILE, std::ios::binary);
        const std::string text((std::istreambuf_iterator<char>(file)), {});
        ASSERT_TRUE(document_.parse(text).ok()) << OPENAPI_FILE;
    }

    // "put /drives/{drive_id} before" for each operation; "put /vsock refused" for one that is not.
    std::set<std::string> described(bool refused) const {
        std::set<std::string> found;
        for (const auto& path : document_.root()["paths"].GetObject())
            for (const auto& method : path.value.GetObject()) {
                const std::string name = method.name.GetString();
                if (name == "parameters" || method.value.HasMember("x-refused") != refused)
                    continue;
                const std::string when =
                    refused ? "" : std::string(" ") + method.value["x-when"].GetString();
                found.insert(name + " " + path.name.GetString() + when);
            }
        return found;
    }

    JsonDocument document_;
};

TEST_F(OpenApiTest, DescribesTheTable) {
    std::set<std::string> known;
    for (const Resource& resource : resources()) {
        known.insert(word_of_method(resource.method) + " " + std::string(resource.path) + " " +
                     word_of_time(resource.when));
    }
    EXPECT_EQ(known.size(), resources().size());
    EXPECT_EQ(described(false), known);
}

TEST_F(OpenApiTest, DescribesWhatIsRefused) {
    std::set<std::string> found;
    for (const std::string& operation : described(true)) {
        const std::string path = operation.substr(operation.find('/'));
        EXPECT_NE(find_refused(path), nullptr) << operation;
        found.insert("/" + path.substr(1, path.find('/', 1) - 1));
    }
    std::set<std::string> known;
    for (const RefusedResource& refused : refused_resources()) known.emplace(refused.path);
    EXPECT_EQ(found, known);
}

TEST_F(OpenApiTest, DescribesTheConfigurationFile) {
    std::set<std::string> described;
    for (const auto& part :
         document_.root()["components"]["schemas"]["Configuration"]["properties"].GetObject())
        described.insert(std::string(part.name.GetString()) +
                         (part.value.HasMember("items") ? " list" : ""));
    std::set<std::string> known;
    for (const Resource& resource : resources())
        if (resource.part.key != nullptr)
            known.insert(std::string(resource.part.key) + (resource.takes_id() ? " list" : ""));
    for (const RefusedResource& refused : refused_resources())
        if (refused.file_key != nullptr)
            known.insert(std::string(refused.file_key) + (refused.is_list ? " list" : ""));
    EXPECT_EQ(described, known);
}

}  // namespace
