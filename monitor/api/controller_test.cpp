#include "monitor/api/controller.hpp"

#include <gtest/gtest.h>

#include "monitor/api/controller_fixture.hpp"

namespace {

class ControllerRequestTest : public ControllerTest {
protected:
    HttpResponse send(HttpMethod method, const std::string& path, const std::string& body = {}) {
        return controller_.answer({.method = method, .path = path, .body = body});
    }
    int status(HttpMethod method, const std::string& path, const std::string& body = {}) {
        return send(method, path, body).status;
    }
    // An instance that runs.
    void run() {
        ASSERT_EQ(status(HttpMethod::kPut, "/boot-source",
                         "{\"kernel_image_path\":\"" + file("kernel") + "\"}"),
                  204);
        ASSERT_EQ(status(HttpMethod::kPut, "/actions", "{\"action_type\":\"InstanceStart\"}"), 204);
    }
};

TEST_F(ControllerRequestTest, EveryFailureIsOne400WithItsReason) {
    const HttpResponse response = send(HttpMethod::kPut, "/actions", "{}");
    EXPECT_EQ(response.status, 400);
    EXPECT_STREQ(response.content_type, "application/json");
    EXPECT_EQ(response.body, "{\"fault_message\": \"action_type: is missing\"}");
    EXPECT_EQ(send(HttpMethod::kPut, "/serial", "{\"\xc3\xbc\\n\\\"\":1}").body,
              "{\"fault_message\": \"\xc3\xbc?\\\": is no field of this request\"}");
    // However long a name is.
    const std::string name(40'000, 'n');
    EXPECT_LT(send(HttpMethod::kPut, "/serial", "{\"" + name + "\":1}").body.size(), 2'000U);
    EXPECT_EQ(status(HttpMethod::kOther, "/"), 400);
    EXPECT_EQ(status(HttpMethod::kPut, "/vsock", "{}"), 400);
}

TEST_F(ControllerRequestTest, FromTheStartOnItIsAVmThatRuns) {
    EXPECT_EQ(status(HttpMethod::kPatch, "/vm", "{\"state\":\"Paused\"}"), 400);
    run();
    EXPECT_EQ(vm_.attached, 1);
    EXPECT_EQ(status(HttpMethod::kPatch, "/vm", "{\"state\":\"Paused\"}"), 204);
    EXPECT_NE(send(HttpMethod::kGet, "/").body.find("Paused"), std::string::npos);
    EXPECT_EQ(status(HttpMethod::kPut, "/actions", "{\"action_type\":\"InstanceStart\"}"), 400);
    EXPECT_EQ(status(HttpMethod::kPut, "/machine-config", "{\"vcpu_count\":1,\"mem_size_mib\":2}"),
              400);
    EXPECT_EQ(starter_.starts, 1);
    EXPECT_EQ(vm_.attached, 1);
}

TEST_F(ControllerRequestTest, AFailedStartLeavesItBefore) {
    starter_.error = Error{"KVM_CREATE_VM", EBUSY};
    ASSERT_EQ(status(HttpMethod::kPut, "/boot-source",
                     "{\"kernel_image_path\":\"" + file("kernel") + "\"}"),
              204);
    EXPECT_EQ(send(HttpMethod::kPut, "/actions", "{\"action_type\":\"InstanceStart\"}").body,
              "{\"fault_message\": \"KVM_CREATE_VM: Device or resource busy\"}");
    EXPECT_EQ(vm_.attached, 0);
    EXPECT_EQ(status(HttpMethod::kPatch, "/vm", "{\"state\":\"Paused\"}"), 400);
    starter_.error.reset();
    EXPECT_TRUE(controller_.start_instance().ok());
    EXPECT_EQ(status(HttpMethod::kPatch, "/vm", "{\"state\":\"Paused\"}"), 204);
}

TEST_F(ControllerRequestTest, CountsRequestsAndFailures) {
    const ApiRequestMetrics& counts = observation_.metrics().requests;
    run();
    send(HttpMethod::kPut, "/actions", "{\"action_type\":\"InstanceStart\"}");
    EXPECT_EQ(counts.put_boot_source_count.value(), 1U);
    EXPECT_EQ(counts.put_boot_source_fails.value(), 0U);
    EXPECT_EQ(counts.put_actions_count.value(), 2U);
    EXPECT_EQ(counts.put_actions_fails.value(), 1U);
    send(HttpMethod::kPut, "/drives/d", "no JSON");
    EXPECT_EQ(counts.put_drive_count.value(), 1U);
    EXPECT_EQ(counts.put_drive_fails.value(), 1U);
    EXPECT_EQ(counts.patch_drive_count.value(), 0U);
    send(HttpMethod::kPut, "/drives/a/b", "{}");
    EXPECT_EQ(counts.put_drive_count.value(), 2U);
    EXPECT_EQ(counts.put_drive_fails.value(), 2U);
    send(HttpMethod::kGet, "/");
    send(HttpMethod::kGet, "/version");
    EXPECT_EQ(counts.get_instance_info_count.value(), 1U);
    EXPECT_EQ(counts.get_vmm_version_count.value(), 1U);
}

TEST_F(ControllerRequestTest, StartsWithoutAClient) {
    const auto early = controller_.start_instance();
    ASSERT_FALSE(early.ok());
    EXPECT_STREQ(early.error().what, "InstanceStart");
    ASSERT_EQ(status(HttpMethod::kPut, "/boot-source",
                     "{\"kernel_image_path\":\"" + file("kernel") + "\"}"),
              204);
    EXPECT_TRUE(controller_.start_instance().ok());
    EXPECT_FALSE(controller_.start_instance().ok());
    EXPECT_EQ(starter_.starts, 1);
}

}  // namespace
