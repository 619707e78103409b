// The fixture of tests of what answers the API: the VM and who starts it are fakes, files are real
// ones in a folder of the test's own. Tests only; one thread.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "monitor/api/controller.hpp"
#include "monitor/api/fake_vm.hpp"

class ControllerTest : public testing::Test {
protected:
    ControllerTest() {
        EXPECT_NE(::mkdtemp(folder_.data()), nullptr);
        controller_.start_with(starter_);
    }
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

    // Asks the controller, as a client would.
    std::string ask(HttpMethod method, const std::string& path, const std::string& body = {}) {
        return said(controller_.serve({.method = method, .path = path, .body = body}));
    }
    std::string get(const std::string& path) { return ask(HttpMethod::kGet, path); }
    std::string put(const std::string& path, const std::string& body) {
        return ask(HttpMethod::kPut, path, body);
    }
    std::string patch(const std::string& path, const std::string& body) {
        return ask(HttpMethod::kPatch, path, body);
    }

    // --- Bodies ----------------------------------------------------------------------------------

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
    Controller controller_{settings_, files_, observation_};
    FakeVm vm_;
    FakeStarter starter_{vm_};
};
