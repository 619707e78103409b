#include "rootfs/mkimage/image_options.hpp"

#include <array>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace {

Result<ImageOptions> parse(const std::vector<const char*>& arguments) {
    return ImageOptions::parse(arguments);
}

std::string complaint(const std::vector<const char*>& arguments) {
    const auto options = parse(arguments);
    if (options.ok()) return "none";
    std::array<char, 300> line{};
    format_error(options.error(), line);
    return line.data();
}

TEST(ImageOptions, OperandsStandAnywhereBetweenFlags) {
    for (const std::vector<const char*>& arguments :
         {std::vector<const char*>{"in", "out", "--format", "ext4", "--size=64M"},
          {"--format", "ext4", "in", "--size", "64M", "out"},
          {"--format=ext4", "--size", "64M", "--", "in", "out"}}) {
        const ImageOptions options = parse(arguments).value();
        EXPECT_EQ(options.source.path, "in");
        EXPECT_STREQ(options.out, "out");
        EXPECT_EQ(options.format, ImageFormat::kExt4);
        EXPECT_EQ(options.size, 64U << 20U);
    }
}

TEST(ImageOptions, BehindTheDashesNothingIsAFlag) {
    const ImageOptions options = parse({"--", "-in", "--help"}).value();
    EXPECT_EQ(options.source.path, "-in");
    EXPECT_STREQ(options.out, "--help");
    EXPECT_EQ(options.asked, Asked::kNothing);
}

TEST(ImageOptions, SourcesAreToldByTheirPrefix) {
    EXPECT_EQ(SourceName::parse("a/b").value().kind, SourceKind::kPath);
    EXPECT_EQ(SourceName::parse("-").value().kind, SourceKind::kStdin);
    const SourceName docker = SourceName::parse("docker-archive:a:b").value();
    EXPECT_EQ(docker.kind, SourceKind::kDockerArchive);
    EXPECT_EQ(docker.path, "a:b");
    const SourceName tagged = SourceName::parse("oci:a:b:c").value();
    EXPECT_EQ(tagged.kind, SourceKind::kOciLayout);
    EXPECT_EQ(tagged.path, "a");
    EXPECT_EQ(tagged.tag, "b:c");
    EXPECT_EQ(SourceName::parse("oci:a").value().tag, "");
    EXPECT_FALSE(SourceName::parse("oci::tag").ok());
    EXPECT_FALSE(SourceName::parse("docker-archive:").ok());
    EXPECT_FALSE(SourceName::parse("").ok());
}

TEST(ImageOptions, ComplaintsNameTheArgument) {
    EXPECT_EQ(complaint({}), "SOURCE: is missing; see mayfly-image --help");
    EXPECT_EQ(complaint({"in"}), "OUT: is missing; see mayfly-image --help");
    EXPECT_EQ(complaint({"in", "out", "more"}),
              "more: argument: is not expected here; see mayfly-image --help");
    EXPECT_EQ(complaint({"in", "out", "--format", "fat"}), "--format: is erofs, squashfs or ext4");
    EXPECT_EQ(complaint({"in", "out", "--size", "1M"}),
              "--size: is for --format ext4; the others are as large as they need");
    EXPECT_NE(complaint({"in", "out", "--format", "ext4", "--size", "1"}).find("--size: 1:"),
              std::string::npos);
    EXPECT_NE(complaint({"in", "out", "--format"}).find("--format"), std::string::npos);
}

}  // namespace
