#include "bench/report.hpp"

#include <unistd.h>

#include <string>
#include <vector>

#include "bench/program.hpp"

namespace {

// Debian's, which sees Debian's matplotlib; one that is first in PATH need not.
constexpr char kPython[] = "/usr/bin/python3";

}  // namespace

Result<> report(std::span<const char* const> arguments) {
    const std::string package = TRY(beside_this_program("../lib/mayfly/bench-report"));
    if (::access(package.c_str(), R_OK) != 0)
        return Error{"report", errno,
                     "is installed as lib/mayfly/bench-report beside the program's bin"};

    // Without the caller's environment for Python, and without leaving compiled files there.
    std::vector<const char*> words{kPython, "-IB", package.c_str()};
    words.insert(words.end(), arguments.begin(), arguments.end());
    words.push_back(nullptr);
    ::execv(kPython, const_cast<char* const*>(words.data()));
    return Error{kPython, errno, "apt-get install python3-matplotlib python3-jsonschema"};
}
