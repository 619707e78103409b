// `mayfly run --image`: a program inside an image as a function call. What its flags say, and what
// that makes of a Config: our kernel, the image as /dev/vda, and an initial RAM disk with our init
// and a file that tells it what to run (abi/settings.hpp). Main thread, before the
// machine.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "monitor/machine/config.hpp"

enum class ImageAccess : uint8_t { kOverlay, kReadWrite };
enum class TerminalWanted : uint8_t { kNo, kYes };

struct ImageRun {
    std::string image_path;
    ImageAccess access = ImageAccess::kOverlay;
    TerminalWanted terminal = TerminalWanted::kNo;
    std::vector<std::string> arguments;            // empty: the image's own command
    std::vector<std::string> environment;          // NAME=VALUE or NAME, added to the image's
    std::vector<std::string> environment_files{};  // their variables come before those
    std::optional<std::string> working_directory{};
    std::optional<std::string> user{};  // U[:G]
    std::optional<std::string> hostname{};
};

// Errors name the flag at fault and the remedy.
Result<> validate(const ImageRun& run);

// What init reads: records KEY=VALUE that end with a NUL. `seed`: hexadecimal; `terminal_size`:
// ROWSxCOLUMNS; `variables`: NAME=VALUE, of two with one name the later.
struct RunContext {
    uint64_t clock_seconds = 0;
    std::string seed;
    std::string terminal_size;
    std::vector<std::string> variables{};
};
std::string run_file(const ImageRun& run, const RunContext& context);

// Validates `run`; then puts the image, the kernel where none is named, and the initial RAM disk
// into `config`. Errors: kernel or init are not installed beside the program; a variable is not
// set; as read_environment() and getrandom(2).
Result<> apply(const ImageRun& run, Config& config);
