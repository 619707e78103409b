// What to run and how: from the image, where mayfly-image left it, and from `mayfly run`, whose
// words count more. The form of both files, and their keys, are in abi/settings.hpp. Unknown keys
// are ignored: an image may be younger than this program.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "rootfs/init/string_list.hpp"

enum class RootAccess { kOverlay, kReadWrite };

struct WindowSize {
    uint16_t rows = 0;
    uint16_t columns = 0;
};

struct Settings {
    StringList arguments;
    StringList environment;
    StringList volumes;
    const char* working_directory = nullptr;
    const char* user = nullptr;
    const char* hostname = nullptr;
    const char* seed = nullptr;
    RootAccess root = RootAccess::kOverlay;
    bool has_terminal = false;
    WindowSize window{};
    uint64_t clock_seconds = 0;    // 0: not told
    uint32_t monitor_version = 0;  // guest_abi::kVersion of the monitor; 0: not told

    // The image's part. Nothing in it decides about the machine.
    void take_image(std::span<char> text);
    // The caller's part: arguments replace the image's, variables are added to them.
    void take_run(std::span<char> text);

    // Why a monitor of that version cannot be served, as text in `room`; nullptr where it can.
    const char* version_complaint(std::span<char> room) const;

private:
    bool take_program(std::string_view key, char* value);
    void take_machine(std::string_view key, char* value);
};
