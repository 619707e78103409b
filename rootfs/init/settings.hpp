// What to run and how: from the image (/.mayfly/config, left there by mayfly-image) and from
// `mayfly run` (/mayfly.run in the initial RAM disk), whose words count more.
//
// Both are a sequence of NUL-terminated strings KEY=VALUE, so that every byte but NUL, which no
// argument can hold, passes unchanged. Keys: arg (repeated), env (repeated, K=V), workdir, user,
// hostname, root (ro or rw), terminal (ROWSxCOLUMNS), clock (seconds since 1970), seed
// (hexadecimal). Unknown keys are ignored: an image may be younger than this program.
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
    const char* working_directory = nullptr;
    const char* user = nullptr;
    const char* hostname = nullptr;
    const char* seed = nullptr;
    RootAccess root = RootAccess::kOverlay;
    bool has_terminal = false;
    WindowSize window{};
    uint64_t clock_seconds = 0;  // 0: not told

    // The image's part. Nothing in it decides about the machine.
    void take_image(std::span<char> text);
    // The caller's part: arguments replace the image's, variables are added to them.
    void take_run(std::span<char> text);

private:
    bool take_program(std::string_view key, char* value);
    void take_machine(std::string_view key, char* value);
};
