// A folder for a test, gone with it. Main thread.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "rootfs/mkimage/workplace.hpp"

class ScratchFolder {
public:
    ScratchFolder() {
        if (::mkdtemp(path_.data()) == nullptr) std::abort();
    }
    ScratchFolder(const ScratchFolder&) = delete;
    ScratchFolder& operator=(const ScratchFolder&) = delete;
    ~ScratchFolder() { remove_folder(path_); }

    std::string in(const std::string& name) const { return path_ + "/" + name; }

    void write(const std::string& name, const std::string& content) const {
        std::ofstream(in(name), std::ios::binary) << content;
    }
    std::string read(const std::string& name) const {
        std::ifstream file(in(name), std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    // Of the name itself. All zero: there is none.
    struct stat status(const std::string& name) const {
        struct stat status {};
        if (::lstat(in(name).c_str(), &status) != 0) return {};
        return status;
    }
    bool has(const std::string& name) const { return status(name).st_nlink != 0; }

private:
    std::string path_ = "/tmp/mayfly-test-XXXXXX";
};
