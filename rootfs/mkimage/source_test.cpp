#include "rootfs/mkimage/source.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "rootfs/mkimage/scratch_folder.hpp"

namespace {

SourceName named(const std::string& text) {
    return SourceName::parse(text.c_str()).value();
}

Job& job() {
    static Job it{Interrupt::create().value()};
    return it;
}

TEST(Source, IsAFolderOrAFile) {
    const ScratchFolder box;
    box.write("file", "");
    const std::string folder = box.in("");
    const std::string file = box.in("file");
    const SourceName names[] = {named(folder), named(file)};
    EXPECT_TRUE(Source::open(names[0], job()).value().is_tree());
    EXPECT_FALSE(Source::open(names[1], job()).value().is_tree());
}

TEST(Source, AFolderOfBlobsIsAnImage) {
    const ScratchFolder box;
    const std::string path = box.in("");
    const SourceName name = named(path);
    const auto is_tree = [&] { return Source::open(name, job()).value().is_tree(); };
    box.write("manifest.json", R"({"name": "a web page"})");
    box.write("repositories", R"({"a": {"b": "nowhere"}})");
    box.write("oci-layout", "{}");
    EXPECT_TRUE(is_tree()) << "a tree may have such names";
    box.write("index.json", "{}");
    EXPECT_FALSE(is_tree()) << "a layout";
    ::unlink(box.in("index.json").c_str());
    box.write("manifest.json", R"([{"Config": "c.json", "Layers": []}])");
    EXPECT_FALSE(is_tree()) << "docker save";
    box.write("manifest.json", "{}");
    box.write("version", "Directory Transport Version: 1.1\n");
    EXPECT_FALSE(Source::open(name, job()).ok()) << "what skopeo writes to dir:";
}

TEST(Source, PrefixesSayWhatItMustBe) {
    const ScratchFolder box;
    box.write("file", "");
    const std::string layout_of_file = "oci:" + box.in("file");
    const std::string archive_of_folder = "docker-archive:" + box.in("");
    EXPECT_FALSE(Source::open(named(layout_of_file), job()).ok());
    EXPECT_FALSE(Source::open(named(archive_of_folder), job()).ok());
    const std::string none = box.in("none");
    EXPECT_EQ(Source::open(named(none), job()).error().code, ENOENT);
}

// Signals are blocked by then, so a program that waits here could not be interrupted.
TEST(Source, OpeningAPipeWaitsForNobody) {
    const ScratchFolder box;
    const std::string pipe = box.in("pipe");
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    ::alarm(10);
    EXPECT_TRUE(Source::open(named(pipe), job()).ok());
    ::alarm(0);
}

}  // namespace
