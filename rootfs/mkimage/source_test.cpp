#include "rootfs/mkimage/source.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "rootfs/mkimage/scratch_folder.hpp"

namespace {

SourceName named(const std::string& text) {
    return SourceName::parse(text.c_str()).value();
}

TEST(Source, IsAFolderOrAFile) {
    const ScratchFolder box;
    box.write("file", "");
    const std::string folder = box.in("");
    const std::string file = box.in("file");
    const SourceName names[] = {named(folder), named(file)};
    EXPECT_TRUE(Source::open(names[0]).value().is_tree());
    EXPECT_FALSE(Source::open(names[1]).value().is_tree());
}

TEST(Source, PrefixesSayWhatItMustBe) {
    const ScratchFolder box;
    box.write("file", "");
    const std::string layout_of_file = "oci:" + box.in("file");
    const std::string archive_of_folder = "docker-archive:" + box.in("");
    EXPECT_FALSE(Source::open(named(layout_of_file)).ok());
    EXPECT_FALSE(Source::open(named(archive_of_folder)).ok());
    const std::string none = box.in("none");
    EXPECT_EQ(Source::open(named(none)).error().code, ENOENT);
}

// Signals are blocked by then, so a program that waits here could not be interrupted.
TEST(Source, OpeningAPipeWaitsForNobody) {
    const ScratchFolder box;
    const std::string pipe = box.in("pipe");
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    ::alarm(10);
    EXPECT_TRUE(Source::open(named(pipe)).ok());
    ::alarm(0);
}

}  // namespace
