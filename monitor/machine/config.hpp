// What a door (command line, API, configuration file) says of a VM, and its one validation.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "monitor/machine/host.hpp"
#include "monitor/machine/shape.hpp"

// What a door says of one device.
struct DriveConfig {
    DriveShape shape{};
    DriveHost host{};
};

struct NicConfig {
    NicShape shape{};
    NicHost host{};
};

struct Config {
    MachineShape shape{};
    HostConfig host{};
    BootConfig boot{};

    // Each device as a door says it.
    std::vector<DriveConfig> drives() const;
    std::vector<NicConfig> nics() const;

    // Another device, the last of its kind.
    void add(const DriveConfig& drive);
    void add(const NicConfig& nic);

    // The device with that id becomes this one; where there is none, as add(). A root drive gets
    // the first, where a guest looks for its root.
    void put(const DriveConfig& drive);
    void put(const NicConfig& nic);

    // The drive of that number becomes the first.
    void move_to_front(size_t drive);
};

// What the parts of a Config are called at the door it came through.
struct FieldNames {
    const char* vcpus;
    const char* threads_per_core;
    const char* memory;
    const char* cpu_template;
    const char* command_line;
    const char* kernel;
    const char* initrd;
    const char* drive;
    const char* image;
    const char* nic;
    const char* mac;
    const char* serial_output;
    const char* devices;
    const char* published;
};

inline constexpr FieldNames kFlagNames{.vcpus = "--vcpus",
                                       .threads_per_core = "--vcpus",
                                       .memory = "--memory",
                                       .cpu_template = "--cpu-template",
                                       .command_line = "--cmdline",
                                       .kernel = "--kernel",
                                       .initrd = "--initrd",
                                       .drive = "--disk",
                                       .image = "--image",
                                       .nic = "--net",
                                       .mac = "mac=",
                                       .serial_output = "stdout",
                                       .devices = "--disk and --net",
                                       .published = "--publish"};

// Whether a device may be called so: letters, digits, '-', '_' and '.', one at least.
bool is_id(std::string_view text);

// Errors name the part at fault and the remedy.
Result<> validate(const Config& config, const FieldNames& names);
