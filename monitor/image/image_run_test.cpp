#include "monitor/image/image_run.hpp"

#include <array>
#include <gtest/gtest.h>
#include <string>

namespace {

using namespace std::string_literals;

std::string complaint(const ImageRun& run) {
    const auto valid = validate(run);
    if (valid.ok()) return "none";
    std::array<char, 256> line{};
    format_error(valid.error(), line);
    return line.data();
}

TEST(ImageRun, RunFileHoldsWhatWasGivenByteForByte) {
    const ImageRun run{.image_path = "i",
                       .arguments = {"sh", "-c", "a=\"b\"\n'$c'\xff", ""},
                       .working_directory = "/w",
                       .user = "bob:staff",
                       .hostname = "h"};
    EXPECT_EQ(run_file(run, {.clock_seconds = 7, .seed = "00ff", .variables = {"A=b=c", "E="}}),
              "abi=1\0arg=sh\0arg=-c\0arg=a=\"b\"\n'$c'\xff\0arg=\0env=A=b=c\0env=E=\0workdir=/w\0"
              "user=bob:staff\0hostname=h\0clock=7\0seed=00ff\0"s);
}

TEST(ImageRun, RunFileTellsOfTerminalAndRoot) {
    ImageRun run{.image_path = "i"};
    EXPECT_EQ(run_file(run, {.seed = "0"}), "abi=1\0clock=0\0seed=0\0"s);
    run.access = ImageAccess::kReadWrite;
    run.terminal = TerminalWanted::kYes;
    EXPECT_EQ(run_file(run, {.seed = "0", .terminal_size = "24x80"}),
              "abi=1\0root=rw\0terminal=24x80\0clock=0\0seed=0\0"s);
}

TEST(ImageRun, RefusesWhatNoGuestCouldUse) {
    EXPECT_EQ(complaint({.image_path = "i"}), "none");
    EXPECT_EQ(complaint({.image_path = ""}), "--image: needs a file's name");
    EXPECT_EQ(complaint({.image_path = "i", .environment = {"A", "B=c", "D="}}), "none");
    EXPECT_EQ(complaint({.image_path = "i", .environment = {"=v"}}),
              "=v: --env: is neither NAME=VALUE nor NAME");
    EXPECT_EQ(complaint({.image_path = "i", .environment = {""}}),
              ": --env: is neither NAME=VALUE nor NAME");
    EXPECT_EQ(complaint({.image_path = "i", .working_directory = "w"}),
              "w: --workdir: is not an absolute path");
    EXPECT_EQ(complaint({.image_path = "i", .user = ""}), ": --user: is not USER or USER:GROUP");
    EXPECT_EQ(complaint({.image_path = "i", .user = ":g"}),
              ":g: --user: is not USER or USER:GROUP");
    EXPECT_EQ(complaint({.image_path = "i", .hostname = "a b"}),
              "a b: --hostname: takes 1 to 64 letters, digits, '-' and '.'");
    EXPECT_EQ(complaint({.image_path = "i", .hostname = std::string(64, 'h')}), "none");
    EXPECT_NE(complaint({.image_path = "i", .hostname = std::string(65, 'h')}), "none");
}

}  // namespace
