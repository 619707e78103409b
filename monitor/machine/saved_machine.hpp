// A snapshot's files: how a machine gets into them, and out again.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "monitor/machine/config.hpp"
#include "monitor/machine/machine_state.hpp"

// Where a snapshot goes to. API thread.
struct SnapshotTarget {
    const std::string& state_path;
    const std::string& memory_path;
    bool sync = true;
    const Config& config;  // what the machine was given of its host
};

// What the state remembers of a configuration.
Lent lent_of(const Config& config);

// Writes both files. Whatever ends this, there is the old pair of files or the new one; of the new
// one the memory file may still be called MEMORY_PATH.IDENTITY then, where readers look for it too.
// Errors: those of NewFile; encode().
Result<> write_snapshot(const SnapshotTarget& target, const MachineState& state,
                        std::span<const GuestMemory::Region> ram);

// A snapshot's files, open to be read: who may open files is not always who may read them.
struct SnapshotFiles {
    // Errors: as open(2).
    static Result<SnapshotFiles> open(std::string state_path, std::string memory_path);

    // Where SavedMachine::read() has said so. Errors: as open(2).
    bool has_other_memory() const { return !other_memory_path.empty(); }
    Result<> open_other_memory();

    std::string state_path;
    std::string memory_path;
    UniqueFd state;
    UniqueFd memory;
    std::string other_memory_path{};  // that of the state, if `memory` is not
};

// A machine that is to go on.
struct SavedMachine {
    // Reads the one file, and takes the other one. Errors: those of SnapshotReader and decode();
    // the memory file is of another size, or belongs to another state: `files` then knows where it
    // may be that belongs to this one.
    static Result<SavedMachine> read(SnapshotFiles& files);

    // As it was: shape, drives and TAPs.
    Config config() const;

    MachineState state;
    UniqueFd memory;
};
