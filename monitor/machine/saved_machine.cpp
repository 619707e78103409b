#include "monitor/machine/saved_machine.hpp"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "monitor/memory/layout.hpp"
#include "monitor/snapshot/new_file.hpp"
#include "monitor/snapshot/pages.hpp"

namespace {

constexpr uint64_t kMostStateBytes = 16 << 20;
constexpr auto kIdentityAt = layout::kSnapshotIdentity.value;

Result<SnapshotIdentity> draw_identity() {
    SnapshotIdentity identity{};
    if (::getrandom(identity.data(), identity.size(), 0) != static_cast<ssize_t>(identity.size()))
        return Error::from_errno("getrandom");
    return identity;
}

// What a file is called until it takes its place: a name that no other snapshot's has.
std::string suffix_of(const SnapshotIdentity& identity) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string suffix = ".";
    for (const std::byte byte : identity) {
        suffix += kDigits[std::to_integer<size_t>(byte >> 4)];
        suffix += kDigits[std::to_integer<size_t>(byte & std::byte{0xf})];
    }
    return suffix;
}

Result<uint64_t> size_of(const UniqueFd& file, const std::string& path) {
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) return Error::from_errno("snapshot").about(path);
    if (!S_ISREG(status.st_mode))
        return Error{"snapshot", EINVAL, "is no regular file"}.about(path);
    return static_cast<uint64_t>(status.st_size);
}

Result<std::vector<std::byte>> read_file(const UniqueFd& file, const std::string& path) {
    const uint64_t size = TRY(size_of(file, path));
    if (size > kMostStateBytes)
        return Error{"snapshot", 0, "is no state file (is it the memory file?)"}.about(path);
    std::vector<std::byte> bytes(size);
    size_t got = 0;
    while (got < bytes.size()) {
        const ssize_t read =
            ::pread(file.get(), bytes.data() + got, bytes.size() - got, static_cast<off_t>(got));
        if (read < 0 && errno == EINTR) continue;
        if (read < 0) return Error::from_errno("snapshot").about(path);
        if (read == 0) break;
        got += static_cast<size_t>(read);
    }
    bytes.resize(got);
    return bytes;
}

Result<bool> belongs(const UniqueFd& memory, const SnapshotHeader& header) {
    SnapshotIdentity found{};
    if (!memory) return false;
    const ssize_t read = ::pread(memory.get(), found.data(), found.size(), kIdentityAt);
    return read == static_cast<ssize_t>(found.size()) && found == header.identity;
}

Result<> check_memory(SnapshotFiles& files, const SnapshotHeader& header) {
    if (!TRY(belongs(files.memory, header))) {
        const std::string other = files.memory_path + suffix_of(header.identity);
        if (files.other_memory_path.empty()) files.other_memory_path = other;
        return Error{"memory file", 0,
                     "does not belong to this state file; give the two that were made together"}
            .about(files.memory_path);
    }
    const uint64_t size = TRY(size_of(files.memory, files.memory_path));
    if (size == header.memory_bytes) return Ok{};
    return Error{"memory file", 0, "has another size than the guest's memory", size}.about(
        files.memory_path);
}

Result<SavedMachine> read_files(SnapshotFiles& files) {
    const std::vector<std::byte> bytes = TRY(read_file(files.state, files.state_path));
    SnapshotReader reader = TRY(SnapshotReader::open(bytes));
    MachineState state = TRY(decode(reader));
    TRY(check_memory(files, reader.header()));
    return SavedMachine{std::move(state), std::move(files.memory)};
}

Result<UniqueFd> open_to_read(const std::string& path) {
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return Error::from_errno("snapshot").about(path);
    return fd;
}

}  // namespace

// --- Writing ------------------------------------------------------------------------------------

Lent lent_of(const Config& config) {
    Lent lent{.drives = {}, .nics = {}, .serial_output_path = config.host.serial_output_path};
    for (const DriveHost& drive : config.host.drives)
        lent.drives.push_back({drive.path, drive.limits});
    for (const NicHost& nic : config.host.nics)
        lent.nics.push_back({nic.tap, nic.receive_limits, nic.transmit_limits});
    return lent;
}

Result<> write_snapshot(const SnapshotTarget& target, const MachineState& state,
                        std::span<const GuestMemory::Region> ram) {
    const SnapshotIdentity identity = TRY(draw_identity());
    const std::string suffix = suffix_of(identity);
    const std::vector<std::byte> encoded = TRY(encode(state, identity));
    NewFile memory = TRY(NewFile::create(target.memory_path, suffix));
    NewFile file = TRY(NewFile::create(target.state_path, suffix));
    TRY(write_ram(ram, memory));
    TRY(memory.write(identity, kIdentityAt));
    TRY(file.write(encoded, 0));
    if (target.sync) {
        TRY(memory.sync());
        TRY(file.sync());
        TRY(memory.sync_folder());
    }
    // From here on it is the new pair: this memory is found by its own name.
    TRY(file.take_place());
    memory.leave();
    if (target.sync) TRY(file.sync_folder());
    TRY(memory.take_place());
    return target.sync ? memory.sync_folder() : Ok{};
}

// --- Reading ------------------------------------------------------------------------------------

Result<SnapshotFiles> SnapshotFiles::open(std::string state_path, std::string memory_path) {
    UniqueFd state = TRY(open_to_read(state_path));
    UniqueFd memory = TRY(open_to_read(memory_path));
    return SnapshotFiles{.state_path = std::move(state_path),
                         .memory_path = std::move(memory_path),
                         .state = std::move(state),
                         .memory = std::move(memory)};
}

Result<> SnapshotFiles::open_other_memory() {
    memory = TRY(open_to_read(other_memory_path));
    return Ok{};
}

Result<SavedMachine> SavedMachine::read(SnapshotFiles& files) {
    auto read = read_files(files);
    if (!read.ok()) return read.error().about(files.state_path);
    return read;
}

Config SavedMachine::config() const {
    Config config;
    config.shape = state.shape;
    for (size_t i = 0; i < state.lent.drives.size(); ++i) {
        const LentDrive& lent = state.lent.drives[i];
        config.host.drives.push_back({.path = lent.path, .limits = lent.limits});
    }
    for (const LentNic& lent : state.lent.nics)
        config.host.nics.push_back({.tap = lent.tap,
                                    .if_missing = Tap::IfMissing::kMake,
                                    .receive_limits = lent.receive_limits,
                                    .transmit_limits = lent.transmit_limits});
    config.host.serial_output_path = state.lent.serial_output_path;
    return config;
}
