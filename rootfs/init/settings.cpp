#include "rootfs/init/settings.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "abi/settings.hpp"
#include "abi/version.hpp"

namespace {

// Calls `take(key, value)` for each whole record of `text`; what is no record is passed over.
template <typename Take>
void for_each_record(std::span<char> text, Take take) {
    while (!text.empty()) {
        auto* const end = static_cast<char*>(std::memchr(text.data(), '\0', text.size()));
        if (end == nullptr) return;  // cut short
        char* const record = text.data();
        text = text.subspan(static_cast<size_t>(end - record) + 1);
        char* const equals = std::strchr(record, '=');
        if (equals != nullptr)
            take(std::string_view(record, static_cast<size_t>(equals - record)), equals + 1);
    }
}

// ROWSxCOLUMNS; zeroes where it is neither.
WindowSize parse_window(const char* text) {
    char* end = nullptr;
    const unsigned long rows = std::strtoul(text, &end, 10);
    if (*end != 'x') return {};
    const unsigned long columns = std::strtoul(end + 1, nullptr, 10);
    if (rows > UINT16_MAX || columns > UINT16_MAX) return {};
    return {static_cast<uint16_t>(rows), static_cast<uint16_t>(columns)};
}

}  // namespace

// What image and caller may both say. True if `key` was one of those.
bool Settings::take_program(std::string_view key, char* value) {
    if (key == guest_abi::kArgumentKey)
        arguments.add(value);
    else if (key == guest_abi::kVariableKey)
        environment.set_variable(value);
    else if (key == guest_abi::kFolderKey)
        working_directory = value;
    else if (key == guest_abi::kUserKey)
        user = value;
    else
        return false;
    return true;
}

void Settings::take_machine(std::string_view key, char* value) {
    if (key == guest_abi::kHostnameKey) {
        hostname = value;
    } else if (key == guest_abi::kRootKey) {
        root = std::strcmp(value, guest_abi::kRootReadWrite) == 0 ? RootAccess::kReadWrite
                                                                  : RootAccess::kOverlay;
    } else if (key == guest_abi::kTerminalKey) {
        has_terminal = true;
        window = parse_window(value);
    } else if (key == guest_abi::kClockKey) {
        clock_seconds = std::strtoull(value, nullptr, 10);
    } else if (key == guest_abi::kSeedKey) {
        seed = value;
    } else if (key == guest_abi::kVersionKey) {
        monitor_version = static_cast<uint32_t>(std::strtoul(value, nullptr, 10));
    }
}

const char* Settings::version_complaint(std::span<char> room) const {
    if (monitor_version == guest_abi::kVersion) return nullptr;
    if (monitor_version == 0)
        std::snprintf(room.data(), room.size(),
                      "is of version %u and mayfly says none; install both of one release",
                      guest_abi::kVersion);
    else
        std::snprintf(room.data(), room.size(),
                      "is of version %u and mayfly of version %u; install both of one release",
                      guest_abi::kVersion, monitor_version);
    return room.data();
}

void Settings::take_image(std::span<char> text) {
    for_each_record(text, [this](std::string_view key, char* value) {
        if (key == guest_abi::kVolumeKey && *value == '/')
            volumes.add(value);
        else
            take_program(key, value);
    });
}

void Settings::take_run(std::span<char> text) {
    // The first argument replaces the image's; without one, its own stand.
    bool has_arguments = false;
    for_each_record(text, [&](std::string_view key, char* value) {
        if (key == guest_abi::kArgumentKey && !has_arguments) {
            has_arguments = true;
            arguments.clear();
        }
        if (!take_program(key, value)) take_machine(key, value);
    });
}
