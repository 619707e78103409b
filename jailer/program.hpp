// The program that a jail is for, opened before it is entered: nothing of the host need be in the
// jail to execute it. Main thread.
#pragma once

#include <span>
#include <string>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "jailer/namespaces.hpp"

class Program {
public:
    // Errors about the file: it is none, has other names (hard links), is not executable for `ids`,
    // which is found out here because later nothing could be taken back, no ELF file, or needs an
    // interpreter, which a jail does not have.
    static Result<Program> open(const char* path, const JailIds& ids);

    // The last part of the path that it was opened by: a link to a program may have another name,
    // which the program then goes by.
    const std::string& name() const { return name_; }

    // Executes it with an empty environment. Returns only on failure.
    Error execute(std::span<const std::string> arguments) const;

private:
    Program(UniqueFd file, std::string name) : file_(std::move(file)), name_(std::move(name)) {}

    UniqueFd file_;
    std::string name_;
};
