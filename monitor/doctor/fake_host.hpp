// A host as a test wants it: files below a folder of its own, and what the kernel would answer.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include "monitor/doctor/check.hpp"

class FakeHost {
public:
    FakeHost() {
        if (::mkdtemp(root_.data()) == nullptr) throw std::runtime_error("mkdtemp");
    }
    FakeHost(const FakeHost&) = delete;
    FakeHost& operator=(const FakeHost&) = delete;
    ~FakeHost() { std::filesystem::remove_all(root_); }

    const char* root() const { return root_.c_str(); }

    void write(const std::string& path, const std::string& text) const {
        const std::filesystem::path file = std::filesystem::path(root_) / path;
        std::filesystem::create_directories(file.parent_path());
        std::ofstream(file) << text;
    }

    // What the check of this name finds; everything that no test has changed is as it should be.
    Finding finding(std::string_view check) const {
        const Host host{HostTree(root()), answers};
        for (const auto& look : {vm_findings, io_findings, network_findings, jail_findings,
                                 tenant_findings, upkeep_findings})
            for (const NamedFinding& named : look(host))
                if (named.check == check) return named.finding;
        throw std::runtime_error("no such check");
    }

    Answers answers{.release = "6.8.1-arch",
                    .kvm = {.version = kKvmApiVersion, .create_us = 100},
                    .landlock = 6,
                    .open_files = 1024,
                    .locked_bytes = 8 << 20};

private:
    std::string root_ = "/tmp/mayfly-host-XXXXXX";
};
