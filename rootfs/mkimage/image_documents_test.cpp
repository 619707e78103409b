#include "rootfs/mkimage/image_documents.hpp"

#include <gtest/gtest.h>

#include "rootfs/mkimage/json.hpp"
#include "rootfs/mkimage/run_config.hpp"

namespace {

const std::string kA = "sha256:" + std::string(64, 'a');
const std::string kB = "sha256:" + std::string(64, 'b');

Descriptor described(const std::string& digest, const char* tag, const char* os,
                     const char* architecture) {
    return {.media_type = "", .digest = digest, .tag = tag, .os = os, .architecture = architecture};
}

TEST(ImageDocuments, AnIndexHasTagsAndPlatforms) {
    const auto index = parse_index(R"({"manifests": [{"digest": ")" + kA + R"(",
        "annotations": {"org.opencontainers.image.ref.name": "v1"},
        "platform": {"os": "linux", "architecture": "amd64"}}, {"digest": ")" +
                                   kB + R"("}]})");
    ASSERT_TRUE(index.ok());
    ASSERT_EQ(index.value().size(), 2U);
    EXPECT_EQ(index.value()[0].tag, "v1");
    EXPECT_EQ(index.value()[0].architecture, "amd64");
    EXPECT_EQ(index.value()[1].digest, kB);
    EXPECT_EQ(index.value()[1].os, "");
}

TEST(ImageDocuments, WrongTypesAreRefused) {
    for (const char* const text :
         {"", "{", "[]", "5", "null", "{}", R"({"manifests": {}})", R"({"manifests": [5]})",
          R"({"manifests": [{}]})", R"({"manifests": [{"digest": 5}]})",
          R"({"manifests": [{"digest": "sha256:../x"}]})", R"({"manifests": [], "manifests": []})",
          "{\"manifests\": [\"\\u0000\"]}"})
        EXPECT_FALSE(parse_index(text).ok()) << text;
    for (const char* const text : {"{}", R"({"config": [], "layers": []})"})
        EXPECT_FALSE(parse_manifest(text).ok()) << text;
    for (const char* const text :
         {"{}", R"([{}])", R"([{"Config": 1}])", R"([{"Config": "a", "Layers": "b"}])"})
        EXPECT_FALSE(parse_docker_manifest(text).ok()) << text;
    for (const char* const text : {"[]", R"({"config": {"Cmd": "ls"}})",
                                   R"({"config": {"Env": [1]}})", R"({"architecture": 64})"})
        EXPECT_FALSE(parse_image_config(text).ok()) << text;
}

TEST(ImageDocuments, DepthIsBounded) {
    EXPECT_FALSE(Json::parse(std::string(100'000, '[')).ok());
    EXPECT_FALSE(Json::parse(std::string(3000, '[') + std::string(3000, ']')).ok());
    EXPECT_TRUE(Json::parse(std::string(1000, '[') + std::string(1000, ']')).ok());
}

TEST(ImageDocuments, OursIsChosenOfSeveral) {
    const Descriptor ours = described(kA, "v1", "linux", "amd64");
    const Descriptor theirs = described(kB, "v1", "linux", "arm64");
    const Descriptor silent = described(kB, "v2", "", "");
    EXPECT_EQ(choose({theirs, ours}, "", Choice::kOnly).value().digest, kA);
    EXPECT_EQ(choose({ours, silent}, "", Choice::kOnly).value().digest, kA);
    EXPECT_EQ(choose({ours, silent}, "v2", Choice::kOnly).value().digest, kB);
    EXPECT_EQ(choose({silent}, "", Choice::kOnly).value().digest, kB);
    EXPECT_FALSE(choose({silent, described(kA, "", "", "")}, "", Choice::kOnly).ok());
    EXPECT_TRUE(choose({ours, ours}, "", Choice::kOnly).ok()) << "one image, twice";
    const Descriptor other = described(kB, "", "linux", "amd64");
    EXPECT_FALSE(choose({ours, other}, "", Choice::kOnly).ok());
    EXPECT_EQ(choose({ours, other}, "", Choice::kFirst).value().digest, kA);
    EXPECT_FALSE(choose({ours}, "v3", Choice::kOnly).ok());
    EXPECT_FALSE(choose({theirs}, "", Choice::kOnly).ok());
    EXPECT_FALSE(choose({}, "", Choice::kOnly).ok());
}

TEST(ImageDocuments, TheOldestProcessorsAreChosenFor) {
    const auto variant = [](const std::string& digest, const char* name) {
        Descriptor it = described(digest, "", "linux", "amd64");
        it.variant = name;
        return it;
    };
    for (const Choice choice : {Choice::kOnly, Choice::kFirst}) {
        EXPECT_EQ(choose({variant(kA, "v3"), variant(kB, "v2")}, "", choice).value().digest, kB);
        EXPECT_EQ(choose({variant(kA, "v2"), variant(kB, "")}, "", choice).value().digest, kB);
        EXPECT_EQ(choose({variant(kA, "v1"), variant(kB, "v3")}, "", choice).value().digest, kA);
        EXPECT_EQ(choose({variant(kA, "v4")}, "", choice).value().digest, kA);
    }
}

TEST(ImageDocuments, LayersOfOldLeadDownwards) {
    EXPECT_EQ(parse_repositories(R"({"a": {"v1": "x", "v2": "x"}, "b": {"v1": "x"}})").value(),
              std::vector<std::string>{"x"});
    EXPECT_EQ(parse_repositories(R"({"a": {"v1": "x"}, "b": {"v1": "y"}})").value().size(), 2U);
    for (const char* const wrong : {"[]", "", R"({"a": "x"})", R"({"a": {"v1": 5}})"})
        EXPECT_FALSE(parse_repositories(wrong).ok()) << wrong;
    EXPECT_EQ(parse_parent(R"({"parent": "x"})").value(), "x");
    EXPECT_EQ(parse_parent("{}").value(), "");
    EXPECT_FALSE(parse_parent(R"({"parent": 5})").ok());
}

TEST(ImageDocuments, AConfigurationSaysHowToRun) {
    const auto config = parse_image_config(R"({"os": "linux", "architecture": "amd64",
        "rootfs": {"diff_ids": ["x"]}, "config": {"Entrypoint": ["/e", "a"], "Cmd": ["", "b c"],
        "Env": ["A=1", "B="], "WorkingDir": "/w", "User": "u:g",
        "Volumes": {"/v": {}, "/a b": {}}}})");
    ASSERT_TRUE(config.ok());
    EXPECT_EQ(config.value().diff_ids, std::vector<std::string>{"x"});
    using namespace std::string_literals;
    EXPECT_EQ(encode(config.value().run),
              "arg=/e\0arg=a\0arg=\0arg=b c\0env=A=1\0env=B=\0workdir=/w\0user=u:g\0"
              "volume=/v\0volume=/a b\0"s);
}

TEST(ImageDocuments, NothingToSayIsNoFile) {
    EXPECT_EQ(encode(parse_image_config("{}").value().run), "");
    EXPECT_EQ(encode(parse_image_config(R"({"config": {"Cmd": null, "User": ""}})").value().run),
              "");
}

}  // namespace
