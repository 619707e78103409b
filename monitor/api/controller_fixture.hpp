// The fixture of tests of what answers the API: the VM and who starts it are fakes, files are real
// ones in a folder of the test's own. Tests only; one thread.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <optional>
#include <string>
#include <vector>

#include "monitor/api/preboot_controller.hpp"
#include "monitor/api/running_vm.hpp"

// A VM that notes what it is told, and fails where the test says so.
class FakeVm final : public RunningVm {
public:
    void pause() override { calls.emplace_back("pause"); }
    void resume() override { calls.emplace_back("resume"); }
    Result<> change_drive(size_t number, const std::string& path) override {
        return note("drive " + std::to_string(number) + " " + path, path.c_str());
    }
    Result<> limit_drive(size_t number, const RateLimiterConfig& limits) override {
        return note("limit drive " + std::to_string(number) + text(limits));
    }
    Result<> limit_nic(size_t number, const RateLimiterConfig& receive,
                       const RateLimiterConfig& transmit) override {
        return note("limit nic " + std::to_string(number) + text(receive) + text(transmit));
    }
    void attach_to(Metrics& /*metrics*/) const override { ++attached; }

    std::vector<std::string> calls{};
    std::optional<Error> error{};  // of the next calls
    mutable int attached = 0;

private:
    Result<> note(std::string call, const char* subject = nullptr) {
        if (error.has_value()) return error->about(subject);
        calls.push_back(std::move(call));
        return Ok{};
    }
    static std::string text(const TokenBucketConfig& bucket) {
        return " " + std::to_string(bucket.size) + "+" + std::to_string(bucket.one_time_burst) +
               "/" + std::to_string(bucket.refill_time_ms);
    }
    static std::string text(const RateLimiterConfig& limits) {
        return text(limits.bandwidth) + text(limits.ops);
    }
};

// Starts the fake VM: takes what a machine takes, and gives it up where it fails.
class FakeStarter final : public InstanceStarter {
public:
    explicit FakeStarter(FakeVm& vm) : vm_(vm) {}

    void foresee(uint64_t memory_bytes) override { foreseen.push_back(memory_bytes); }

    Result<RunningVm*> start(const Config& wanted, HostFiles& files) override {
        ++starts;
        config = wanted;
        taken = files.take_devices();
        kernel = files.images().kernel.name();
        if (!error.has_value()) return &vm_;
        taken = {};
        return *error;
    }

    int starts = 0;
    std::vector<uint64_t> foreseen{};  // bytes of RAM
    std::optional<Error> error{};      // of the next starts
    Config config{};                   // of the last start
    DeviceFiles taken{};
    std::string kernel{};

private:
    FakeVm& vm_;
};

class ControllerTest : public testing::Test {
protected:
    ControllerTest() { EXPECT_NE(::mkdtemp(folder_.data()), nullptr); }
    ~ControllerTest() override {
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }

    // The path of a file that is there now.
    std::string file(const std::string& name, size_t sectors = 1) const {
        std::string path = folder_ + "/" + name;
        std::ofstream(path, std::ios::binary) << std::string(sectors * 512, 'x');
        return path;
    }
    std::string absent(const std::string& name) const { return folder_ + "/" + name; }

    static FileIdentity identity(const std::string& path) {
        struct stat status {};
        EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
        return {.device = status.st_dev, .number = status.st_ino};
    }

    // What a client is told: "204", "200 BODY", or why not.
    static std::string said(const Result<HttpResponse>& response) {
        if (response.ok() && response.value().status == 204) return "204";
        if (response.ok()) return "200 " + response.value().body;
        std::array<char, 512> line{};
        format_error(response.error(), line);
        return line.data();
    }

    // Asks the controller, as a session would.
    std::string ask(HttpMethod method, const std::string& path, const std::string& body = {}) {
        JsonDocument document;
        const auto request =
            parse_request({.method = method, .path = path, .body = body}, document);
        if (!request.ok()) return said(request.error());
        return said(answer(request.value()));
    }
    virtual Result<HttpResponse> answer(const ApiRequest& request) {
        return preboot_.answer(request, starter_);
    }
    std::string get(const std::string& path) { return ask(HttpMethod::kGet, path); }
    std::string put(const std::string& path, const std::string& body) {
        return ask(HttpMethod::kPut, path, body);
    }
    std::string patch(const std::string& path, const std::string& body) {
        return ask(HttpMethod::kPatch, path, body);
    }

    // --- Bodies
    // -----------------------------------------------------------------------------------

    std::string put_boot(const std::string& kernel, const std::string& more = {}) {
        return put("/boot-source", "{\"kernel_image_path\":\"" + kernel + "\"" + more + "}");
    }
    std::string put_drive(const std::string& id, const std::string& path,
                          const std::string& more = ",\"is_root_device\":false") {
        return put("/drives/" + id,
                   "{\"drive_id\":\"" + id + "\",\"path_on_host\":\"" + path + "\"" + more + "}");
    }
    std::string start() { return put("/actions", "{\"action_type\":\"InstanceStart\"}"); }

    std::string folder_ = testing::TempDir() + "controller.XXXXXX";
    VmSettings settings_{.id = "vm1"};
    HostFiles files_;
    Observation observation_{"vm1"};
    PrebootController preboot_{settings_, files_, observation_};
    FakeVm vm_;
    FakeStarter starter_{vm_};
};
