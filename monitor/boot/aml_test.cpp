#include "monitor/boot/aml.hpp"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace {

using Bytes = std::vector<uint8_t>;

// What `write` makes of a buffer of `capacity` bytes; empty when it reports an error.
template <typename Write>
Bytes written(Write write, size_t capacity = 1 << 16) {
    std::vector<std::byte> buffer(capacity, std::byte{0xcc});
    AmlWriter aml(buffer);
    write(aml);
    const auto size = aml.finish();
    if (!size.ok()) return {};
    Bytes bytes;
    for (size_t i = 0; i < size.value(); ++i) bytes.push_back(std::to_integer<uint8_t>(buffer[i]));
    return bytes;
}

Bytes pkg_length(size_t body_bytes) {
    const AmlPkgLength length = encode_pkg_length(body_bytes);
    return {length.bytes.begin(), length.bytes.begin() + static_cast<std::ptrdiff_t>(length.size)};
}

// §20.2.4: the length counts its own bytes, so each form ends where body and form no longer fit.
TEST(AmlPkgLength, OneByteHoldsUpTo63) {
    EXPECT_EQ(pkg_length(0), Bytes({1}));
    EXPECT_EQ(pkg_length(62), Bytes({63}));
}

TEST(AmlPkgLength, TwoBytesHoldUpTo4095) {
    EXPECT_EQ(pkg_length(63), Bytes({0x41, 0x04}));  // 65
    EXPECT_EQ(pkg_length(64), Bytes({0x42, 0x04}));
    EXPECT_EQ(pkg_length(4093), Bytes({0x4f, 0xff}));
}

TEST(AmlPkgLength, ThreeBytesHoldUpTo1048575) {
    EXPECT_EQ(pkg_length(4094), Bytes({0x81, 0x00, 0x01}));  // 4097
    EXPECT_EQ(pkg_length((1 << 20) - 4), Bytes({0x8f, 0xff, 0xff}));
}

TEST(AmlPkgLength, FourBytesHoldUpTo268435455) {
    EXPECT_EQ(pkg_length((1 << 20) - 3), Bytes({0xc1, 0x00, 0x00, 0x01}));  // 1048577
    EXPECT_EQ(pkg_length((1 << 28) - 5), Bytes({0xcf, 0xff, 0xff, 0xff}));
    EXPECT_EQ(encode_pkg_length((1 << 28) - 4).size, 0u);
    EXPECT_EQ(encode_pkg_length(SIZE_MAX).size, 0u);
}

// Values that ASL compilers are known to make of these.
TEST(Aml, EisaIds) {
    EXPECT_EQ(eisa_id("PNP0501"), 0x0105d041u);
    EXPECT_EQ(eisa_id("PNP0C0F"), 0x0f0cd041u);
    EXPECT_EQ(eisa_id("PNP0A03"), 0x030ad041u);
    EXPECT_EQ(eisa_id("ACP3ABC"), 0xbc3a7004u);
}

TEST(Aml, NumberedNamesKeepTwoDigits) {
    EXPECT_EQ(AmlName("VD__").numbered(0).text(), "VD00");
    EXPECT_EQ(AmlName("VD__").numbered(18).text(), "VD18");
    EXPECT_EQ(AmlName("VD__").numbered(199).text(), "VD99");
}

// What stands for `value` after the name.
Bytes integer(uint64_t value) {
    const Bytes all = written([&](AmlWriter& aml) { aml.name_integer("_UID", value); });
    EXPECT_EQ(Bytes(all.begin(), all.begin() + 5), Bytes({0x08, '_', 'U', 'I', 'D'}));
    return {all.begin() + 5, all.end()};
}

TEST(Aml, SmallIntegersAreInTheirShortestForm) {
    EXPECT_EQ(integer(0), Bytes({0x00}));
    EXPECT_EQ(integer(1), Bytes({0x01}));
    EXPECT_EQ(integer(2), Bytes({0x0a, 2}));
    EXPECT_EQ(integer(0xff), Bytes({0x0a, 0xff}));
    EXPECT_EQ(integer(0x100), Bytes({0x0b, 0x00, 0x01}));
    EXPECT_EQ(integer(0xffff), Bytes({0x0b, 0xff, 0xff}));
}

TEST(Aml, LargeIntegersAreInTheirShortestForm) {
    EXPECT_EQ(integer(0x10000), Bytes({0x0c, 0, 0, 1, 0}));
    EXPECT_EQ(integer(0xffffffff), Bytes({0x0c, 0xff, 0xff, 0xff, 0xff}));
    EXPECT_EQ(integer(0x100000000), Bytes({0x0e, 0, 0, 0, 0, 1, 0, 0, 0}));
    EXPECT_EQ(integer(0x0102030405060708), Bytes({0x0e, 8, 7, 6, 5, 4, 3, 2, 1}));
}

TEST(Aml, StringsEndInNul) {
    EXPECT_EQ(written([](AmlWriter& aml) { aml.name_string("_HID", "AB"); }),
              Bytes({0x08, '_', 'H', 'I', 'D', 0x0d, 'A', 'B', 0}));
}

TEST(Aml, PackagesCountTheirElements) {
    EXPECT_EQ(written([](AmlWriter& aml) {
                  aml.name_package("_S5_", {5, 0, 1, 0x1234});
              }),
              Bytes({0x08, '_', 'S', '5', '_', 0x12, 9, 4, 0x0a, 5, 0x00, 0x01, 0x0b, 0x34, 0x12}));
    EXPECT_EQ(written([](AmlWriter& aml) { aml.name_package("_S5_", {}); }),
              Bytes({0x08, '_', 'S', '5', '_', 0x12, 2, 0}));
}

TEST(Aml, ScopesAndDevicesNest) {
    EXPECT_EQ(written([](AmlWriter& aml) {
                  aml.scope("_SB_", [&] {
                      aml.device("COM1", [] {});
                      aml.device("COM2", [&] { aml.name_integer("_UID", 1); });
                  });
              }),
              Bytes({0x10, 25,   '_', 'S', 'B', '_',       //
                     0x5b, 0x82, 5,   'C', 'O', 'M', '1',  //
                     0x5b, 0x82, 11,  'C', 'O', 'M', '2', 0x08, '_', 'U', 'I', 'D', 1}));
}

// A body that outgrows the one-byte form is moved up whole.
TEST(Aml, LongBodiesGetALongerPkgLength) {
    for (const size_t chars : {48u, 51u, 52u, 53u, 4000u, 4082u, 4083u, 4084u, 4100u}) {
        const std::string text(chars, 'x');
        const Bytes all = written(
            [&](AmlWriter& aml) { aml.scope("_SB_", [&] { aml.name_string("TEXT", text); }); });
        const size_t body = 4 + 5 + 1 + chars + 1;
        Bytes expected{0x10};
        const Bytes length = pkg_length(body);
        expected.insert(expected.end(), length.begin(), length.end());
        const Bytes head{'_', 'S', 'B', '_', 0x08, 'T', 'E', 'X', 'T', 0x0d};
        expected.insert(expected.end(), head.begin(), head.end());
        expected.insert(expected.end(), text.begin(), text.end());
        expected.push_back(0);
        EXPECT_EQ(all, expected) << chars;
    }
}

TEST(Aml, ResourceDescriptors) {
    EXPECT_EQ(written([](AmlWriter& aml) {
                  aml.name_resources("_CRS", [&] {
                      aml.io_ports(0x3f8, 8);
                      aml.isa_irq(4);
                  });
              }),
              Bytes({0x08, '_',  'C',  'R',  'S',  0x11, 16, 0x0a, 13,  //
                     0x47, 1,    0xf8, 0x03, 0xf8, 0x03, 1,  8,         //
                     0x22, 0x10, 0x00,                                  //
                     0x79, 0}));
    EXPECT_EQ(written([](AmlWriter& aml) {
                  aml.name_resources("_CRS", [&] {
                      aml.memory32_fixed(0xc0001000, 0x1000);
                      aml.interrupt(0x17);
                  });
              }),
              Bytes({0x08, '_', 'C', 'R', 'S',  0x11, 26,   0x0a, 23,                      //
                     0x86, 9,   0,   1,   0x00, 0x10, 0x00, 0xc0, 0x00, 0x10, 0x00, 0x00,  //
                     0x89, 6,   0,   3,   1,    0x17, 0,    0,    0,                       //
                     0x79, 0}));
}

TEST(Aml, AnEmptyResourceTemplateIsItsEndTag) {
    EXPECT_EQ(written([](AmlWriter& aml) { aml.name_resources("_CRS", [] {}); }),
              Bytes({0x08, '_', 'C', 'R', 'S', 0x11, 5, 0x0a, 2, 0x79, 0}));
}

TEST(Aml, LongResourceTemplatesGetAWordOfBufferSize) {
    const Bytes all = written([](AmlWriter& aml) {
        aml.name_resources("_CRS", [&] {
            for (uint32_t i = 0; i < 30; ++i) aml.interrupt(i);
        });
    });
    // 30 * 9 + 2 = 272 = 0x110 bytes; with the three of BufferSize and the two of PkgLength, 277.
    EXPECT_EQ(Bytes(all.begin() + 5, all.begin() + 11),
              Bytes({0x11, 0x45, 0x11, 0x0b, 0x10, 0x01}));
    EXPECT_EQ(all.size(), 6u + 277u);
}

void write_a_table(AmlWriter& aml) {
    aml.scope("_SB_", [&] {
        aml.device("COM1", [&] {
            aml.name_integer("_HID", eisa_id("PNP0501"));
            aml.name_string("_STR", std::string(70, 'x'));
            aml.name_resources("_CRS", [&] { aml.io_ports(0x3f8, 8); });
        });
    });
    aml.name_package("_S5_", {5, 0, 0, 0});
}

// Whatever the size of the buffer: nothing past it is written (the sanitizer looks), and only the
// full size succeeds.
TEST(Aml, TooSmallABufferIsAnError) {
    const size_t full = written(write_a_table).size();
    ASSERT_GT(full, 100u);
    for (size_t capacity = 0; capacity < full; ++capacity) {
        std::vector<std::byte> buffer(capacity);
        AmlWriter aml(buffer);
        write_a_table(aml);
        const auto size = aml.finish();
        EXPECT_EQ(size.ok() ? 0 : size.error().code, ENOSPC) << capacity;
    }
    EXPECT_EQ(written(write_a_table, full).size(), full);
}

}  // namespace
