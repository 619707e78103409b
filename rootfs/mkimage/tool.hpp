// The programs that Mayfly leaves file systems to. Main thread.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "rootfs/mkimage/job.hpp"

struct Tool {
    const char* name;     // as in "mke2fs"
    const char* package;  // Debian's, which has it
};

// In a program that ran as kOurs: a pipe that nobody writes to, and whose end is the end of the
// program that ran it.
constexpr int kLifeline = 9;  // shells keep the numbers from 10 up for themselves

// What a tool is given open: the image, and the folder that it is made from (kOurs: the private
// one). No name that could lead elsewhere by now is said twice.
constexpr int kHandedImage = 7;
constexpr int kHandedFolder = 8;
constexpr const char* kToolImage = "/proc/self/fd/7";
constexpr const char* kToolTree = "/proc/self/fd/8/.";  // the folder, where the link to it is one

// kCaptured: the tool's last words become part of our line when it fails. kOurs: it is this
// program again and says itself what is wrong.
enum class ToolOutput { kCaptured, kOurs };

struct ToolCall {
    Tool tool;
    std::vector<std::string> arguments;    // without the name
    std::vector<std::string> environment;  // "NAME=VALUE", in place of the caller's
    ToolOutput output = ToolOutput::kCaptured;
    const char* step = "";  // for the line of progress; none: no line
    int image;              // whose size is the progress
    int folder;
};

// Runs the tool to its end. It runs without the caller's settings that would change an image
// (SOURCE_DATE_EPOCH, MKE2FS_CONFIG and the like), in the C locale and UTC. The tool is
// interrupted when we are, and dies when we die.
// Errors: the tool is missing (with its package); it failed, with its last words; EINTR.
// Of kOurs: is_said() the error, if it ended by itself.
Result<> run_tool(const ToolCall& call, Job& job);

// The error of what stands on stderr already.
Error said();

// Whether the error stands on stderr already and is not to be said again.
bool is_said(const Error& error);
