#include <gtest/gtest.h>

#include "monitor/api/config_file.hpp"
#include "monitor/api/controller_fixture.hpp"

namespace {

constexpr char kNeedsNoStart[] =
    "The requested operation is not supported after starting the microVM.";

using Calls = std::vector<std::string>;

class ControllerAfterStartTest : public ControllerTest {
protected:
    ControllerAfterStartTest() {
        Config& config = settings_.config;
        config.boot.kernel_path = "/kernel";
        config.add(DriveConfig{.shape = {.id = "root", .is_root = true, .partuuid = {}},
                               .host = {.path = "/root"}});
        config.add(DriveConfig{
            .shape = {.id = "data", .partuuid = {}},
            .host = {.path = "/data",
                     .limits = {.bandwidth = {.size = 1, .one_time_burst = 2, .refill_time_ms = 3},
                                .ops = {}}}});
        config.add(NicConfig{.shape = {.id = "e0"}, .host = {.tap = "tap0"}});
        config.add(NicConfig{.shape = {.id = "e1"}, .host = {.tap = "tap1"}});
        controller_.on_started(vm_);
    }

    // What the VM was told since this was asked last.
    Calls calls() { return std::exchange(vm_.calls, {}); }

    std::string told() { return get("/vm/config"); }
};

TEST_F(ControllerAfterStartTest, WhatIsForAVmThatHasNotStartedIsRefused) {
    const std::string before = told();
    EXPECT_EQ(put("/machine-config", "{\"vcpu_count\":2,\"mem_size_mib\":64}"), kNeedsNoStart);
    EXPECT_EQ(patch("/machine-config", "{\"vcpu_count\":2}"), kNeedsNoStart);
    EXPECT_EQ(put_boot(file("kernel")), kNeedsNoStart);
    EXPECT_EQ(put_drive("data", file("disk")), kNeedsNoStart);
    EXPECT_EQ(put("/network-interfaces/e", "{\"iface_id\":\"e\",\"host_dev_name\":\"t\"}"),
              kNeedsNoStart);
    EXPECT_EQ(put("/serial", "{}"), kNeedsNoStart);
    EXPECT_EQ(put("/logger", "{\"log_path\":\"" + absent("log") + "\"}"), kNeedsNoStart);
    EXPECT_EQ(put("/metrics", "{\"metrics_path\":\"" + absent("metrics") + "\"}"), kNeedsNoStart);
    EXPECT_EQ(start(), kNeedsNoStart);
    EXPECT_FALSE(std::filesystem::exists(absent("log")));
    EXPECT_EQ(told(), before);
    EXPECT_EQ(calls(), Calls{});
}

TEST_F(ControllerAfterStartTest, PausesAndResumes) {
    const auto state = [this] {
        const std::string text = get("/");
        const size_t at = text.find("\"state\":\"") + 9;
        return text.substr(at, text.find('"', at) - at);
    };
    EXPECT_EQ(state(), "Running");
    EXPECT_EQ(patch("/vm", "{\"state\":\"Paused\"}"), "204");
    EXPECT_EQ(state(), "Paused");
    EXPECT_EQ(patch("/vm", "{\"state\":\"Paused\"}"), "204");
    EXPECT_EQ(patch("/vm", "{\"state\":\"Resumed\"}"), "204");
    EXPECT_EQ(state(), "Running");
    EXPECT_EQ(calls(), (Calls{"pause", "pause", "resume"}));
    EXPECT_EQ(patch("/vm", "{\"state\":\"Stopped\"}"), "state: is neither Paused nor Resumed");
    EXPECT_EQ(calls(), Calls{});
    vm_.error = Error{"disk", EBUSY, "its requests do not end"};
    EXPECT_NE(patch("/vm", "{\"state\":\"Paused\"}"), "204");
    EXPECT_EQ(state(), "Running");
}

TEST_F(ControllerAfterStartTest, ChangesADrivesFile) {
    EXPECT_EQ(patch("/drives/data", "{\"drive_id\":\"data\",\"path_on_host\":\"/new\"}"), "204");
    EXPECT_EQ(calls(), Calls{"drive 1 /new"});
    EXPECT_NE(told().find("\"drive_id\":\"data\",\"path_on_host\":\"/new\""), std::string::npos);
    // The same again: it may have another size.
    EXPECT_EQ(patch("/drives/data", "{\"drive_id\":\"data\",\"path_on_host\":\"/new\"}"), "204");
    EXPECT_EQ(calls(), Calls{"drive 1 /new"});
}

TEST_F(ControllerAfterStartTest, ChangesADrivesLimits) {
    EXPECT_EQ(patch("/drives/data",
                    "{\"drive_id\":\"data\",\"rate_limiter\":{\"ops\":{\"size\":4,"
                    "\"one_time_burst\":5,\"refill_time\":6}}}"),
              "204");
    EXPECT_EQ(calls(), Calls{"limit drive 1 1+2/3 4+5/6"});
    // What is not mentioned stays, also in what follows; a bucket without a size is off.
    EXPECT_EQ(patch("/drives/data",
                    "{\"drive_id\":\"data\",\"rate_limiter\":{\"bandwidth\":{\"size\":0,"
                    "\"refill_time\":0}}}"),
              "204");
    EXPECT_EQ(calls(), Calls{"limit drive 1 0+0/0 4+5/6"});
    EXPECT_NE(told().find("\"bandwidth\":null"), std::string::npos);
}

TEST_F(ControllerAfterStartTest, ChangesNothingOfADriveThatNothingIsSaidOf) {
    EXPECT_EQ(patch("/drives/data", "{\"drive_id\":\"data\",\"rate_limiter\":{}}"), "204");
    for (const char* const more : {"}", ",\"path_on_host\":null}", ",\"rate_limiter\":null}"})
        EXPECT_EQ(patch("/drives/data", std::string("{\"drive_id\":\"data\"") + more),
                  "body: names nothing to change. Running method expected different backend.");
    EXPECT_EQ(calls(), Calls{});
}

TEST_F(ControllerAfterStartTest, ChangesANicsLimits) {
    EXPECT_EQ(patch("/network-interfaces/e1",
                    "{\"iface_id\":\"e1\",\"tx_rate_limiter\":{\"ops\":{\"size\":4,"
                    "\"refill_time\":6}}}"),
              "204");
    EXPECT_EQ(calls(), Calls{"limit nic 1 0+0/0 0+0/0 0+0/0 4+0/6"});
    EXPECT_EQ(patch("/network-interfaces/e1",
                    "{\"iface_id\":\"e1\",\"rx_rate_limiter\":{\"bandwidth\":{\"size\":7,"
                    "\"refill_time\":8}}}"),
              "204");
    EXPECT_EQ(calls(), Calls{"limit nic 1 7+0/8 0+0/0 0+0/0 4+0/6"});
}

TEST_F(ControllerAfterStartTest, NamesNoDeviceThatIsNotThere) {
    EXPECT_EQ(patch("/drives/x", "{\"drive_id\":\"x\",\"path_on_host\":\"/new\"}"),
              "drive_id: names no device of this VM");
    EXPECT_EQ(patch("/drives/e0", "{\"drive_id\":\"e0\"}"), "drive_id: names no device of this VM");
    EXPECT_EQ(patch("/network-interfaces/data", "{\"iface_id\":\"data\"}"),
              "iface_id: names no device of this VM");
    EXPECT_EQ(calls(), Calls{});
}

TEST_F(ControllerAfterStartTest, WhatFailsChangesNothing) {
    const std::string before = told();
    vm_.error = Error{"disk", ENOENT};
    EXPECT_EQ(patch("/drives/data",
                    "{\"drive_id\":\"data\",\"path_on_host\":\"/none\",\"rate_limiter\":{"
                    "\"ops\":{\"size\":4,\"refill_time\":6}}}"),
              "/none: path_on_host: No such file or directory");
    vm_.error = Error{"I/O thread", ETIMEDOUT};
    const std::string limits = "_rate_limiter\":{\"ops\":{\"size\":4,\"refill_time\":6}}}";
    EXPECT_NE(patch("/drives/data",
                    "{\"drive_id\":\"data\",\"rate_limiter\":{\"ops\":{"
                    "\"size\":4,\"refill_time\":6}}}"),
              "204");
    EXPECT_NE(patch("/network-interfaces/e0", "{\"iface_id\":\"e0\",\"rx" + limits), "204");
    EXPECT_EQ(told(), before);
}

TEST_F(ControllerAfterStartTest, PressesThreeKeys) {
    EXPECT_EQ(put("/actions", "{\"action_type\":\"SendCtrlAltDel\"}"), "204");
    EXPECT_EQ(vm_.calls.back(), "ctrl+alt+del");
    vm_.error = Error{"Ctrl+Alt+Del", 0, "the guest has not taken the last one"};
    EXPECT_NE(put("/actions", "{\"action_type\":\"SendCtrlAltDel\"}").find("has not taken"),
              std::string::npos);
}

TEST_F(ControllerAfterStartTest, FlushesMetrics) {
    EXPECT_EQ(put("/actions", "{\"action_type\":\"FlushMetrics\"}"), "204");
    ASSERT_TRUE(observation_.write_metrics_to(absent("metrics")).ok());
    EXPECT_EQ(put("/actions", "{\"action_type\":\"FlushMetrics\"}"), "204");
    EXPECT_GT(std::filesystem::file_size(absent("metrics")), 0U);
}

TEST_F(ControllerAfterStartTest, ALineOfMetricsIsDue) {
    ASSERT_TRUE(observation_.write_metrics_to(absent("metrics")).ok());
    observation_.flush_metrics_if_due(1);
    const auto one_line = std::filesystem::file_size(absent("metrics"));
    EXPECT_GT(one_line, 0U);
    observation_.flush_metrics_if_due(2);
    EXPECT_EQ(std::filesystem::file_size(absent("metrics")), one_line);
}

// The settings are its own: those that the VM was started with.
TEST_F(ControllerAfterStartTest, TellsTheSameAsBeforeTheStart) {
    EXPECT_EQ(told(), "200 " + settings_text(settings_));
    settings_.config.shape.vcpus = 9;
    EXPECT_NE(told(), "200 " + settings_text(settings_));
    EXPECT_NE(get("/version").find("mayfly_version"), std::string::npos);
    EXPECT_NE(get("/metrics/prometheus").find("# TYPE"), std::string::npos);
}

}  // namespace
