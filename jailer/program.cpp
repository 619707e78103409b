#include "jailer/program.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <elf.h>
#include <vector>

namespace {

// Whether the ELF file has a program header of type PT_INTERP. Errors: it is no ELF file of ours.
Result<bool> needs_interpreter(int file) {
    Elf64_Ehdr header{};
    if (::pread(file, &header, sizeof(header), 0) != sizeof(header) ||
        std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_machine != EM_X86_64 ||
        header.e_phentsize != sizeof(Elf64_Phdr))
        return Error{"--exec-file", 0, "is no ELF executable for x86_64"};
    for (unsigned i = 0; i < header.e_phnum; ++i) {
        Elf64_Phdr segment{};
        const auto at = static_cast<off_t>(header.e_phoff + i * sizeof(segment));
        if (at < 0 || ::pread(file, &segment, sizeof(segment), at) != sizeof(segment))
            return Error{"--exec-file", 0, "is an ELF file that is cut short"};
        if (segment.p_type == PT_INTERP) return true;
    }
    return false;
}

bool is_executable_for(const struct stat& file, const JailIds& ids) {
    if (file.st_uid == ids.uid) return (file.st_mode & S_IXUSR) != 0;
    if (file.st_gid == ids.gid) return (file.st_mode & S_IXGRP) != 0;
    return (file.st_mode & S_IXOTH) != 0;
}

Result<> check(int file, const JailIds& ids) {
    struct stat status {};
    if (::fstat(file, &status) != 0) return Error::from_errno("--exec-file");
    if (!S_ISREG(status.st_mode)) return Error{"--exec-file", 0, "is not a regular file"};
    if (status.st_nlink != 1)
        return Error{"--exec-file", 0, "has more than one name (hard links); copy it",
                     static_cast<uint64_t>(status.st_nlink)};
    if (!is_executable_for(status, ids))
        return Error{"--exec-file", 0, "is not executable for the user of the jail"};
    if (TRY(needs_interpreter(file)))
        return Error{"--exec-file", 0, "is not static: a jail has no libraries for it"};
    return Ok{};
}

}  // namespace

Result<Program> Program::open(const char* path, const JailIds& ids) {
    std::array<char, PATH_MAX> real{};
    if (::realpath(path, real.data()) == nullptr)
        return Error::from_errno("--exec-file").about(path);
    UniqueFd file(::open(real.data(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
    if (!file) return Error::from_errno("--exec-file").about(path);
    if (const auto checked = check(file.get(), ids); !checked.ok())
        return checked.error().about(path);
    const std::string given = path;
    return Program{std::move(file), given.substr(given.rfind('/') + 1)};
}

Error Program::execute(std::span<const std::string> arguments) const {
    std::vector<const char*> pointers{name_.c_str()};
    for (const std::string& argument : arguments) pointers.push_back(argument.c_str());
    pointers.push_back(nullptr);
    const std::array<const char*, 1> environment{nullptr};
    ::syscall(SYS_execveat, file_.get(), "", pointers.data(), environment.data(), AT_EMPTY_PATH);
    return Error::from_errno("execute --exec-file");
}
