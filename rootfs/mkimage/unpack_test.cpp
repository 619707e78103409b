#include "rootfs/mkimage/unpack.hpp"

#include <sys/xattr.h>

#include <array>
#include <gtest/gtest.h>
#include <string>

#include "rootfs/mkimage/made_archive.hpp"
#include "rootfs/mkimage/scratch_folder.hpp"

namespace {

constexpr UnpackLimits kLimits{.bytes = 1 << 20, .entries = 100, .layer_name_bytes = 1 << 20};

class Unpacking : public testing::Test {
protected:
    Result<> plain(MadeArchive& made) { return unpack(made, Whiteouts::kAsNames); }
    Result<> layer(MadeArchive& made) { return unpack(made, Whiteouts::kApplied); }

    Result<> unpack(MadeArchive& made, Whiteouts whiteouts) {
        Archive archive = TRY(Archive::open(made.fd(), "archive", job));
        return unpacker.unpack(archive, "archive", whiteouts);
    }
    std::string path_in_tree(const std::string& name) const { return "tree/" + name; }
    std::string content(const std::string& name) const { return box.read(path_in_tree(name)); }
    bool has(const std::string& name) const { return box.has(path_in_tree(name)); }
    struct stat status(const std::string& name) const {
        return box.status(path_in_tree(name));
    }

    ScratchFolder box;
    Job job{Interrupt::create().value()};
    StagingTree tree = StagingTree::create(box.in("tree")).value();
    Expansion expansion;
    Unpacker unpacker{tree, kLimits, expansion, job};
};

TEST_F(Unpacking, GivesEachKindWhatItsHeaderSays) {
    MadeArchive made;
    made.folder("d", 01777).file("d/f", "content", 04711).symlink("s", "/nowhere");
    made.hard_link("l", "d/f");
    made.add("p", AE_IFIFO, 0640, "", [](archive_entry*) {});
    ASSERT_TRUE(plain(made).ok());
    ASSERT_TRUE(tree.settle_times().ok());
    EXPECT_EQ(status("d").st_mode, S_IFDIR | 01777U);
    EXPECT_EQ(status("d/f").st_mode, S_IFREG | 04711U);
    EXPECT_EQ(content("d/f"), "content");
    EXPECT_EQ(status("l").st_ino, status("d/f").st_ino);
    EXPECT_TRUE(S_ISLNK(status("s").st_mode));
    EXPECT_EQ(status("p").st_mode, S_IFIFO | 0640U);
    for (const char* const name : {"d", "d/f", "s", "p"})
        EXPECT_EQ(status(name).st_mtime, MadeArchive::kTime) << name;
}

TEST_F(Unpacking, MakesFoldersThatAreMissing) {
    MadeArchive made;
    made.file("a/b/c", "x");
    ASSERT_TRUE(plain(made).ok());
    ASSERT_TRUE(tree.settle_times().ok());
    EXPECT_EQ(status("a/b").st_mode, S_IFDIR | 0755U);
    EXPECT_EQ(status("a/b").st_mtime, 0) << "does not depend on today";
}

TEST_F(Unpacking, DotsThatClimbAreRefused) {
    for (const char* const path : {"..", "../outside", "a/../../outside", "a/.."}) {
        MadeArchive made;
        made.file(path, "bad");
        EXPECT_FALSE(plain(made).ok()) << path;
    }
    MadeArchive made;
    made.hard_link("x", "../outside");
    EXPECT_FALSE(plain(made).ok());
}

TEST_F(Unpacking, AbsolutePathsAreOfTheTree) {
    MadeArchive made;
    made.file("/outside", "in");
    ASSERT_TRUE(plain(made).ok());
    EXPECT_EQ(content("outside"), "in");
}

TEST_F(Unpacking, LinksLeadNowhereOutside) {
    box.write("outside", "safe");
    const std::string up = box.in("");
    MadeArchive made;
    made.symlink("up", "..").symlink("whole", up.c_str()).symlink("file", "../outside");
    made.file("up/outside", "bad");
    ASSERT_TRUE(plain(made).ok());
    EXPECT_EQ(content("outside"), "bad") << "above the tree is the tree";
    MadeArchive replaced;
    replaced.file("file", "new");
    ASSERT_TRUE(plain(replaced).ok());
    EXPECT_TRUE(S_ISREG(status("file").st_mode));
    MadeArchive linked;
    linked.symlink("up", "..").hard_link("stolen", "whole/outside");
    EXPECT_FALSE(plain(linked).ok()) << "there is no such folder in the tree";
    MadeArchive whiteout;
    whiteout.symlink("up", "..").file("up/.wh.outside", "").file("up/.wh..wh..opq", "");
    ASSERT_TRUE(layer(whiteout).ok());
    EXPECT_EQ(box.read("outside"), "safe");
    EXPECT_EQ(box.status("outside").st_nlink, 1U);
    EXPECT_FALSE(has("outside")) << "the tree's own is gone";
}

TEST_F(Unpacking, LaterEntriesReplaceEarlierOnes) {
    MadeArchive made;
    made.file("a", "1").folder("b").file("b/x", "1").symlink("s", "b");
    ASSERT_TRUE(plain(made).ok());
    MadeArchive above;
    above.folder("a").file("a/y", "2").file("b", "2").folder("s").file("s/z", "2");
    ASSERT_TRUE(layer(above).ok());
    EXPECT_EQ(content("a/y"), "2");
    EXPECT_EQ(content("b"), "2");
    EXPECT_EQ(content("s/z"), "2");
}

TEST_F(Unpacking, AFolderThatComesAgainKeepsWhatIsInIt) {
    MadeArchive made;
    made.folder("d", 0755).file("d/x", "1");
    ASSERT_TRUE(plain(made).ok());
    MadeArchive above;
    above.folder("d", 0700);
    ASSERT_TRUE(layer(above).ok());
    EXPECT_EQ(content("d/x"), "1");
    EXPECT_EQ(status("d").st_mode, S_IFDIR | 0700U);
}

TEST_F(Unpacking, AReplacedHardLinkLeavesTheOther) {
    MadeArchive made;
    made.file("a", "old").hard_link("b", "a");
    ASSERT_TRUE(plain(made).ok());
    MadeArchive above;
    above.file("a", "new").hard_link("c", "b");
    ASSERT_TRUE(layer(above).ok());
    EXPECT_EQ(content("a"), "new");
    EXPECT_EQ(content("b"), "old");
    EXPECT_EQ(status("c").st_ino, status("b").st_ino) << "links reach the layers below";
}

TEST_F(Unpacking, WhiteoutsRemoveWhatIsBelow) {
    MadeArchive made;
    made.file("gone", "").folder("d").file("d/a", "").file("d/b", "").file("stays", "");
    ASSERT_TRUE(plain(made).ok());
    MadeArchive above;
    above.file(".wh.gone", "").file("d/.wh..wh..opq", "").file("d/new", "").file(".wh.none", "");
    ASSERT_TRUE(layer(above).ok());
    EXPECT_FALSE(has("gone") || has("d/a") || has("d/b"));
    EXPECT_TRUE(has("stays") && has("d/new"));
    EXPECT_FALSE(has(".wh.gone") || has("d/.wh..wh..opq"));
}

TEST_F(Unpacking, WhiteoutsSpareTheirOwnLayerInAnyOrder) {
    MadeArchive made;
    made.folder("d").file("d/old", "").folder("e").file("e/old", "");
    ASSERT_TRUE(plain(made).ok());
    MadeArchive above;
    above.file("d/new", "").file(".wh.d", "").file("e/sub/new", "").file("e/.wh..wh..opq", "");
    ASSERT_TRUE(layer(above).ok());
    EXPECT_FALSE(has("d/old") || has("e/old"));
    EXPECT_TRUE(has("d/new") && has("e/sub/new"));
}

TEST_F(Unpacking, OfAPlainArchiveAWhiteoutIsAName) {
    MadeArchive made;
    made.file("x", "").file(".wh.x", "");
    ASSERT_TRUE(plain(made).ok());
    EXPECT_TRUE(has("x") && has(".wh.x"));
}

TEST_F(Unpacking, WhiteoutsThatNameNothingInTheirFolderAreRefused) {
    for (const char* const path : {".wh.", ".wh..", ".wh...", "d/.wh..."}) {
        MadeArchive made;
        made.file(path, "");
        EXPECT_FALSE(layer(made).ok()) << path;
    }
}

TEST_F(Unpacking, KeepsItsLimits) {
    MadeArchive large;
    large.file("a", std::string(700'000, 'a'));
    ASSERT_TRUE(plain(large).ok());
    MadeArchive second;
    second.file("b", std::string(700'000, 'b'));
    const auto refused = plain(second);
    ASSERT_FALSE(refused.ok()) << "they share what is free";
    EXPECT_EQ(refused.error().code, ENOSPC);
    MadeArchive many;
    for (unsigned i = 0; i < 200; ++i) many.file(std::to_string(i).c_str(), "");
    EXPECT_FALSE(plain(many).ok());
}

TEST_F(Unpacking, IsInProportionToTheArchive) {
    MadeArchive made;
    made.file("a", std::string(100'000, 'a')).file("b", std::string(100'000, 'b'));
    Expansion enough(1, 0);  // a tar is no smaller than its content
    Unpacker first{tree, kLimits, enough, job};
    auto whole = Archive::open(made.fd(), "archive", job);
    ASSERT_TRUE(whole.ok());
    EXPECT_TRUE(first.unpack(whole.value(), "archive", Whiteouts::kAsNames).ok());
    MadeArchive many;
    for (unsigned i = 0; i < 40; ++i) many.file(std::to_string(i).c_str(), "");
    Expansion narrow(1, 0);
    Unpacker it{tree, kLimits, narrow, job};
    auto archive = Archive::open(many.fd(), "archive", job);
    ASSERT_TRUE(archive.ok());
    EXPECT_FALSE(it.unpack(archive.value(), "archive", Whiteouts::kAsNames).ok())
        << "names count, too";
}

TEST_F(Unpacking, FoldersOnTheWayAreInProportionToo) {
    std::string deep = "f";
    for (unsigned i = 0; i < 500; ++i) deep.insert(0, "d/");
    MadeArchive made;
    made.file(deep.c_str(), "");
    Expansion narrow(1, 64 << 10);
    Unpacker it{tree, kLimits, narrow, job};
    auto archive = Archive::open(made.fd(), "archive", job);
    ASSERT_TRUE(archive.ok());
    EXPECT_FALSE(it.unpack(archive.value(), "archive", Whiteouts::kAsNames).ok());
}

TEST(Expansion, OfArchivesInAnArchiveIsThatOfTheOuterOne) {
    Expansion expansion(10, 1000);
    expansion.begin_archive();
    expansion.note_archive(100);
    EXPECT_TRUE(expansion.take(500).ok());
    expansion.begin_archive();
    expansion.note_archive(200);
    EXPECT_TRUE(expansion.take(3500).ok());
    EXPECT_FALSE(expansion.take(1).ok()) << "two layers of 300 bytes";
    expansion.seal();
    expansion.begin_archive();
    expansion.note_archive(1'000'000);
    EXPECT_FALSE(expansion.take(1).ok());
    Expansion endless(1'000'000);
    endless.note_archive(UINT64_MAX / 2);
    EXPECT_TRUE(endless.take(UINT64_MAX / 2).ok());
}

TEST_F(Unpacking, NamesOfALayerAreBounded) {
    MadeArchive made;
    for (unsigned i = 0; i < 50; ++i)
        made.file((std::string(200, 'n') + std::to_string(i)).c_str(), "");
    constexpr UnpackLimits kFewNames{.bytes = 1, .entries = 100, .layer_name_bytes = 5000};
    Unpacker narrow{tree, kFewNames, expansion, job};
    for (const Whiteouts whiteouts : {Whiteouts::kAsNames, Whiteouts::kApplied}) {
        auto archive = Archive::open(made.fd(), "archive", job);
        ASSERT_TRUE(archive.ok());
        const auto unpacked = narrow.unpack(archive.value(), "archive", whiteouts);
        EXPECT_EQ(unpacked.ok(), whiteouts == Whiteouts::kAsNames) << "it keeps none";
    }
}

// What an archive does not say of a name, that name does not have.
TEST_F(Unpacking, NothingIsInheritedFromAccessListsOrLayersBelow) {
    const std::string list(
        "\2\0\0\0\1\0\7\0\xff\xff\xff\xff\2\0\7\0\xd2\4\0\0\4\0\5\0\xff\xff\xff\xff"
        "\x10\0\7\0\xff\xff\xff\xff\x20\0\5\0\xff\xff\xff\xff",
        44);
    const auto with_list = [&](archive_entry* it) {
        ::archive_entry_xattr_add_entry(it, "system.posix_acl_default", list.data(), list.size());
        ::archive_entry_xattr_add_entry(it, "user.below", "x", 1);
    };
    MadeArchive below;
    below.add("d", AE_IFDIR, 0755, "", with_list).file("d/f", "x", 0640).folder("d/sub", 0750);
    below.file("d/implied/f", "x", 0600);
    const auto unpacked = plain(below);
    if (!unpacked.ok()) GTEST_SKIP() << "no access lists on the file system of /tmp";
    const auto list_of = [&](const char* name) {
        std::array<char, 1000> names{};
        const ssize_t size = ::llistxattr(box.in(path_in_tree(name)).c_str(), names.data(), 1000);
        return std::string(names.data(), size < 0 ? 0 : static_cast<size_t>(size));
    };
    EXPECT_EQ(list_of("d").size(), sizeof("system.posix_acl_default") + sizeof("user.below"));
    for (const char* const name : {"d/f", "d/sub", "d/implied", "d/implied/f"})
        EXPECT_EQ(list_of(name), "") << name;
    EXPECT_EQ(status("d/f").st_mode, S_IFREG | 0640U);
    MadeArchive above;
    above.folder("d");
    ASSERT_TRUE(layer(above).ok());
    EXPECT_EQ(list_of("d"), "");
}

TEST(CleanPath, LeavesOutWhatMeansNothing) {
    EXPECT_EQ(clean_path("./a//b/").value(), "a/b");
    EXPECT_EQ(clean_path("/a").value(), "a");
    EXPECT_EQ(clean_path("./").value(), "");
    EXPECT_EQ(clean_path("..a/...").value(), "..a/...");
    for (const char* const bad : {"", "..", "a/..", "../a", "a/../b"})
        EXPECT_FALSE(clean_path(bad).ok()) << bad;
}

}  // namespace
