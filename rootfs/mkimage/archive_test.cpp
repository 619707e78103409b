#include "rootfs/mkimage/archive.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"

namespace {

constexpr std::string_view kGnu("ustar  \0", 8);
constexpr std::string_view kUstar("ustar\00000", 8);

std::string padded(std::string body) {
    body.resize((body.size() + 511) / 512 * 512);
    return body;
}

// Of a header: what stands at an offset.
using Fields = std::vector<std::pair<size_t, std::string>>;

std::string octal(uint64_t number) {
    std::array<char, 16> text{};
    std::snprintf(text.data(), text.size(), "%011llo", static_cast<unsigned long long>(number));
    return text.data();
}

std::string header(const std::string& name, char type, uint64_t size, const Fields& more = {}) {
    std::string block(512, '\0');
    const auto put = [&](size_t at, const std::string& text) {
        block.replace(at, text.size(), text);
    };
    put(0, name);
    put(100, "0000644");
    put(108, "0000001");
    put(116, "0000002");
    put(124, octal(size));
    put(136, octal(1000));
    put(156, std::string(1, type));
    put(257, std::string(kUstar));
    for (const auto& [at, text] : more) put(at, text);
    put(148, "        ");
    unsigned sum = 0;
    for (const char byte : block) sum += static_cast<unsigned char>(byte);
    put(148, octal(sum).substr(5) + '\0');
    return block;
}

std::string file(const std::string& name, const std::string& content, const Fields& more = {}) {
    return header(name, '0', content.size(), more) + padded(content);
}

std::string record(const std::string& keyword, const std::string& value) {
    const std::string rest = " " + keyword + "=" + value + "\n";
    size_t length = rest.size() + 1;
    while (std::to_string(length).size() + rest.size() != length) ++length;
    return std::to_string(length) + rest;
}

std::string pax(const std::string& records, char type = 'x') {
    return header("PaxHeaders/x", type, records.size()) + padded(records);
}

// The archive's entries in order; then, if it is broken, what it says.
class Reading : public testing::Test {
protected:
    struct Found {
        TarEntry entry;
        std::string content;  // holes are zeros
    };

    Result<std::vector<Found>> read(const std::string& bytes) {
        file_ = UniqueFd(::memfd_create("archive", MFD_CLOEXEC));
        EXPECT_EQ(::write(file_.get(), bytes.data(), bytes.size()), std::ssize(bytes));
        ::lseek(file_.get(), 0, SEEK_SET);
        Archive archive = TRY(Archive::open(file_.get(), "archive", job_));
        std::vector<Found> found;
        while (const TarEntry* const entry = TRY(archive.next())) {
            found.push_back({*entry, {}});
            while (const auto piece = TRY(archive.next_piece())) {
                std::string& content = found.back().content;
                content.resize(piece->offset + piece->bytes.size());
                std::memcpy(content.data() + piece->offset, piece->bytes.data(),
                            piece->bytes.size());
            }
            if (entry->kind == TarKind::kFile) found.back().content.resize(entry->size);
        }
        return found;
    }
    // The one entry, of an archive that has one.
    Found only(const std::string& bytes) {
        auto found = read(bytes + std::string(1024, '\0'));
        EXPECT_TRUE(found.ok()) << (found.ok() ? "" : found.error().what);
        if (!found.ok() || found.value().size() != 1) return {};
        return found.value().front();
    }
    bool is_refused(const std::string& bytes) { return !read(bytes).ok(); }

private:
    UniqueFd file_;
    Job job_{Interrupt::create().value()};
};

TEST_F(Reading, NamesAreBytesWhateverHeaderHasThem) {
    // No UTF-8; composed; decomposed; a sign that has another one as its canonical form.
    for (const std::string name : {"\xff\xfe", "\xc3\xbc", "u\xcc\x88", "\xe2\x84\xaa", "a\nb"}) {
        EXPECT_EQ(only(file(name, "x")).entry.path, name);
        EXPECT_EQ(only(file(name, "x", {{257, std::string(kGnu)}})).entry.path, name);
        EXPECT_EQ(only(pax(record("path", name)) + file("other", "x")).entry.path, name);
        const std::string binary = record("hdrcharset", "BINARY") + record("path", name);
        EXPECT_EQ(only(pax(binary) + file("other", "x")).entry.path, name);
        EXPECT_EQ(only(header("", 'L', name.size()) + padded(name) + file("o", "x")).entry.path,
                  name);
        const std::string link = header("l", '2', 0);
        EXPECT_EQ(only(pax(record("linkpath", name)) + link).entry.target, name);
        EXPECT_EQ(only(header("", 'K', name.size()) + padded(name) + link).entry.target, name);
        const Found found = only(pax(record("SCHILY.xattr.user." + name, "v")) + file("f", "x"));
        EXPECT_EQ(found.entry.xattrs.at("user." + name), "v");
    }
}

TEST_F(Reading, LongNamesAreWhole) {
    const std::string name(255, 'n');
    const std::string folder(155, 'd');
    EXPECT_EQ(only(file(name.substr(0, 100), "x", {{345, folder}})).entry.path,
              folder + "/" + name.substr(0, 100));
    EXPECT_EQ(only(pax(record("path", folder + "/" + name)) + file("o", "x")).entry.path,
              folder + "/" + name);
    const Fields star = {{345, std::string(131, 'd')}, {476, octal(1)}, {508, "tar"}};
    EXPECT_EQ(only(file("f", "x", star)).entry.path, std::string(131, 'd') + "/f");
    EXPECT_EQ(only(file("f", "x", {{257, std::string(kGnu)}, {345, "00000001"}})).entry.path, "f");
}

TEST_F(Reading, NumbersOfEveryForm) {
    const std::string large("\x80\0\0\0\xff\xff\xff\xfe", 8);
    EXPECT_EQ(only(file("f", "x", {{108, large}})).entry.owner, 0xfffffffe);
    const std::string before = std::string(11, '\xff') + "\xfe";
    EXPECT_EQ(only(file("f", "x", {{136, before}})).entry.modified.tv_sec, -2);
    const auto time_of = [&](const char* text) {
        return only(pax(record("mtime", text)) + file("f", "x")).entry.modified;
    };
    EXPECT_EQ(time_of("5000000000.25").tv_sec, 5000000000);
    EXPECT_EQ(time_of("5000000000.25").tv_nsec, 250000000);
    EXPECT_EQ(time_of("-1.5").tv_sec, -2);
    EXPECT_EQ(time_of("-1.5").tv_nsec, 500000000);
    EXPECT_EQ(only(pax(record("uid", "70000")) + file("f", "x")).entry.owner, 70000);
    for (const char* const wrong : {"", "x", "1x", "99999999999999999999999", "1.x", "--1"})
        EXPECT_EQ(is_refused(pax(record("mtime", wrong)) + file("f", "x")), *wrong != '\0')
            << wrong;
    EXPECT_TRUE(is_refused(file("f", "x", {{124, "00000000abc"}})));
    EXPECT_TRUE(is_refused(file("f", "x", {{124, std::string(12, '\xff')}}))) << "a negative size";
    EXPECT_TRUE(
        is_refused(file("f", "x", {{108, "\x80\1\1\1\1\1\1\1"}, {124, std::string("\x81", 1)}})));
}

TEST_F(Reading, WhatIsSaidForAllIsSaidForEach) {
    const std::string global = pax(record("uid", "7"), 'g');
    const auto found = read(global + file("a", "x") + pax(record("uid", "8")) + file("b", "") +
                            pax(record("uid", "")) + file("c", "x"));
    ASSERT_TRUE(found.ok());
    ASSERT_EQ(found.value().size(), 3U);
    EXPECT_EQ(found.value()[0].entry.owner, 7);
    EXPECT_EQ(found.value()[1].entry.owner, 8);
    EXPECT_EQ(found.value()[2].entry.owner, 1) << "an empty value takes it back";
}

TEST_F(Reading, WhatIsSaidForAllHasLimits) {
    const std::string half = pax(record("comment", std::string(600 << 10, 'x')), 'g');
    EXPECT_TRUE(read(half + file("a", "x")).ok());
    const auto found = read(half + file("a", "x") + half + file("b", "x"));
    ASSERT_FALSE(found.ok());
    EXPECT_STREQ(found.error().hint, "has more than a MiB of global headers");
}

TEST_F(Reading, AttributesAreSaidForAllToo) {
    const std::string global =
        pax(record("SCHILY.xattr.user.a", "1") + record("SCHILY.xattr.user.b", "2"), 'g');
    const auto found =
        read(global + file("f", "") + pax(record("SCHILY.xattr.user.b", "3")) + file("g", ""));
    ASSERT_TRUE(found.ok());
    using Xattrs = decltype(TarEntry::xattrs);
    EXPECT_EQ(found.value()[0].entry.xattrs, (Xattrs{{"user.a", "1"}, {"user.b", "2"}}));
    EXPECT_EQ(found.value()[1].entry.xattrs, (Xattrs{{"user.a", "1"}, {"user.b", "3"}}));
}

TEST_F(Reading, SparseFilesOfEveryForm) {
    const std::string data = std::string(512, 'a') + std::string(100, 'b');
    const std::string wanted = std::string(512, 'a') + std::string(4096 - 512, '\0') +
                               std::string(100, 'b') + std::string(50, '\0');
    const std::string size = std::to_string(wanted.size());
    const auto expect_it = [&](const std::string& bytes, const char* form) {
        const Found found = only(bytes);
        EXPECT_EQ(found.entry.path, "f") << form;
        EXPECT_EQ(found.content, wanted) << form;
    };
    const Fields old = {{257, std::string(kGnu)}, {386, octal(0)},   {398, octal(512)},
                        {410, octal(4096)},       {422, octal(100)}, {483, octal(wanted.size())}};
    expect_it(header("f", 'S', data.size(), old) + padded(data), "old");
    const Fields first = {{257, std::string(kGnu)},
                          {386, octal(0)},
                          {398, octal(512)},
                          {482, "\1"},
                          {483, octal(wanted.size())}};
    std::string more = octal(4096) + '\0' + octal(100);
    more.resize(512);
    expect_it(header("f", 'S', data.size(), first) + more + padded(data), "old, continued");
    expect_it(pax(record("GNU.sparse.size", size) + record("GNU.sparse.numblocks", "2") +
                  record("GNU.sparse.offset", "0") + record("GNU.sparse.numbytes", "512") +
                  record("GNU.sparse.offset", "4096") + record("GNU.sparse.numbytes", "100")) +
                  file("f", data),
              "0.0");
    expect_it(pax(record("GNU.sparse.size", size) + record("GNU.sparse.numblocks", "2") +
                  record("GNU.sparse.name", "f") + record("GNU.sparse.map", "0,512,4096,100")) +
                  file("GNUSparseFile/f", data),
              "0.1");
    const std::string newest = record("GNU.sparse.major", "1") + record("GNU.sparse.minor", "0") +
                               record("GNU.sparse.name", "f") + record("GNU.sparse.realsize", size);
    expect_it(pax(newest) + file("o", padded("2\n0\n512\n4096\n100\n") + data), "1.0");
    for (const char* const map :
         {"2\n0\n512\n4096\n99\n", "2\n0\n512\n4196\n100\n", "2\n600\n512\n0\n100\n", "2\nx\n",
          "99999999\n", "2\n0\n612\n611\n0\n", "3\n0\n512\n4096\n100\n"})
        EXPECT_TRUE(is_refused(pax(newest) + file("o", padded(map) + data))) << map;
    EXPECT_TRUE(is_refused(pax(record("GNU.sparse.major", "2")) + file("o", data)));
    EXPECT_TRUE(is_refused(pax(record("SCHILY.realsize", "9999")) + file("o", data)));
}

TEST_F(Reading, AccessListsInWordsBecomeThoseOfLinux) {
    const std::string access = "user::rw-,user:1234:r--,group::r--,mask::r--,other::---";
    const std::string wanted =
        std::string("\2\0\0\0\1\0\6\0\xff\xff\xff\xff\2\0\4\0\xd2\4\0\0\4\0\4\0\xff\xff\xff\xff",
                    28) +
        std::string("\x10\0\4\0\xff\xff\xff\xff\x20\0\0\0\xff\xff\xff\xff", 16);
    const auto xattrs_of = [&](const std::string& keyword, const std::string& value) {
        return only(pax(record(keyword, value)) + file("f", "x")).entry.xattrs;
    };
    EXPECT_EQ(xattrs_of("SCHILY.acl.access", access).at("system.posix_acl_access"), wanted);
    EXPECT_EQ(
        xattrs_of(
            "SCHILY.acl.default",
            "other::---\nuser:joe:r--:1234\nuser::rw-\ngroup::r--\t#effective:r--\nmask::r--\n")
            .at("system.posix_acl_default"),
        wanted);
    EXPECT_TRUE(xattrs_of("SCHILY.acl.access", "user::rw-,group::r--,other::r--").empty());
    for (const char* const wrong : {"user:joe:rwx", "user::rwq", "king::rwx", "user", "mask:5:r--",
                                    "user:4294967295:rwx", "a:b:c:d:e"})
        EXPECT_TRUE(is_refused(pax(record("SCHILY.acl.access", wrong)) + file("f", "x"))) << wrong;
}

TEST_F(Reading, WhatCannotBeKeptIsRefused) {
    for (const char* const keyword : {"SCHILY.acl.ace", "SCHILY.fflags", "SUN.holesdata"})
        EXPECT_TRUE(is_refused(pax(record(keyword, "x")) + file("f", "x"))) << keyword;
    for (const char type : {'A', 'M', 'N', 'Z'})
        EXPECT_EQ(only(header("f", type, 0)).entry.kind, TarKind::kUnknown) << type;
    EXPECT_TRUE(is_refused(pax(record("path", std::string("a\0b", 3))) + file("f", "x")));
    for (const char* const wrong :
         {"4 a=\n", "9 a=b\n", "x a=b\n", "6 a=b\n6 ab\n\n\n", "6 =ab\n", "7 a=b\n"})
        EXPECT_EQ(is_refused(pax(wrong) + file("f", "x")), std::string(wrong) != "6 a=b\n")
            << wrong;
}

TEST_F(Reading, OnlyFilesHaveContent) {
    // A hard link's size is the file's, in some writers' archives; nothing follows.
    const auto found = read(header("l", '1', 5000) + header("d", '5', 5000) + file("f", "x"));
    ASSERT_TRUE(found.ok());
    EXPECT_EQ(found.value().size(), 3U);
    EXPECT_EQ(only(header("d/", '0', 0)).entry.kind, TarKind::kFolder);
    EXPECT_EQ(only(file("d/", "x")).entry.kind, TarKind::kUnknown);
    const auto increment = read(header("d", 'D', 600) + std::string(1024, 'Y') + file("f", "x"));
    ASSERT_TRUE(increment.ok());
    EXPECT_EQ(increment.value().size(), 2U);
}

TEST_F(Reading, TheEndIsInTheRightPlace) {
    EXPECT_TRUE(read("").ok());
    EXPECT_TRUE(read(std::string(512, '\0')).ok());
    const std::string whole = pax(record("path", "p")) + file("f", std::string(1000, 'x'));
    EXPECT_TRUE(read(whole).ok()) << "no blocks of zeros";
    for (size_t size = 1; size < whole.size(); size += 100)
        EXPECT_TRUE(is_refused(whole.substr(0, size))) << size;
    EXPECT_TRUE(is_refused(pax(record("path", "p")) + std::string(1024, '\0')));
    std::string damaged = file("f", "x") + file("g", "y");
    damaged[1024 + 3] = 'z';
    EXPECT_TRUE(is_refused(damaged));
    std::string many;
    for (int i = 0; i < 100; ++i) many += pax(record("comment", "x"));
    EXPECT_TRUE(is_refused(many + file("f", "x")));
    EXPECT_TRUE(is_refused(header("big", 'x', 2 << 20) + std::string(2 << 20, 'x')));
}

}  // namespace
