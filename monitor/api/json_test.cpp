#include "monitor/api/json.hpp"

#include <array>
#include <gtest/gtest.h>
#include <string>

namespace {

constexpr uint64_t kMost = UINT64_MAX;

std::string text_of(const Error& error) {
    std::array<char, 256> line{};
    format_error(error, line);
    return line.data();
}

bool parses(std::string_view text) {
    JsonDocument document;
    return document.parse(text).ok();
}

// What `read` says of the fields of the object `text`.
template <typename Read>
std::string complaint(std::string_view text, Read read) {
    JsonDocument document;
    if (const auto parsed = document.parse(text); !parsed.ok()) return text_of(parsed.error());
    JsonFields fields = JsonFields::of(document.root()).value();
    const auto got = read(fields);
    return got.ok() ? "none" : text_of(got.error());
}

// The same of one number, from 0 to `most`.
std::string number_complaint(std::string_view number, uint64_t least = 0, uint64_t most = kMost) {
    return complaint(std::string("{\"n\":").append(number).append("}"),
                     [&](JsonFields& fields) { return fields.required_number("n", least, most); });
}

std::optional<uint64_t> number_in(std::string_view number) {
    JsonDocument document;
    if (!document.parse(std::string("{\"n\":").append(number).append("}")).ok()) return {};
    return JsonFields::of(document.root()).value().number("n", 0, kMost).value();
}

std::string text_complaint(std::string_view text) {
    return complaint(std::string("{\"t\":").append(text).append("}"),
                     [](JsonFields& fields) { return fields.required_text("t"); });
}

std::optional<std::string> text_in(std::string_view text) {
    JsonDocument document;
    if (!document.parse(std::string("{\"t\":").append(text).append("}")).ok()) return {};
    return JsonFields::of(document.root()).value().text("t").value();
}

std::string nested(size_t levels, std::string_view open, std::string_view close) {
    std::string text;
    for (size_t i = 0; i < levels; ++i) text.append(open);
    text.append("0");
    for (size_t i = 0; i < levels; ++i) text.append(close);
    return text;
}

// --- Texts --------------------------------------------------------------------------------------

TEST(JsonDocument, TakesOneObject) {
    for (const char* const text :
         {"{}", " {\r\n\t} ", "{\"a\":[1,{\"b\":null},\"c\",true,-1.5e3]}"})
        EXPECT_TRUE(parses(text)) << text;
    for (const char* const text : {"",
                                   " ",
                                   "[]",
                                   "null",
                                   "1",
                                   "\"a\"",
                                   "{",
                                   "}",
                                   "{}{}",
                                   "{} x",
                                   "{\"a\"}",
                                   "{\"a\":}",
                                   "{\"a\":1,}",
                                   "{,}",
                                   "{a:1}",
                                   "{'a':1}",
                                   "{\"a\":01}",
                                   "{\"a\":+1}",
                                   "{\"a\":.5}",
                                   "{\"a\":0x1}",
                                   "{\"a\":NaN}",
                                   "{\"a\":Infinity}",
                                   "{\"a\":1}//x",
                                   "{\"a\":/**/1}",
                                   "{\"a\":1;}",
                                   "{\"a\":\"\n\"}",
                                   "{\"a\":\"\\x\"}",
                                   "{\"a\":[1,]}",
                                   "{\"a\":tru}"})
        EXPECT_FALSE(parses(text)) << text;
}

TEST(JsonDocument, SaysBehindHowManyBytesItIsNone) {
    JsonDocument document;
    EXPECT_EQ(text_of(document.parse("{\"a\": x}").error()),
              "JSON: cannot be read from byte 6 on: Invalid value.");
    EXPECT_EQ(text_of(document.parse("[]").error()), "JSON: is not an object");
}

// Nobody is to see less of a text than was sent.
TEST(JsonDocument, AZeroByteIsNoEnd) {
    using namespace std::string_view_literals;
    EXPECT_FALSE(parses("{}\0"sv));
    EXPECT_FALSE(parses("{}\0{\"a\":1}"sv));
    EXPECT_FALSE(parses("{\"a\":1\0}"sv));
    EXPECT_FALSE(parses("{\"a\":\"x\0y\"}"sv));
    EXPECT_FALSE(parses("\0"sv));
}

TEST(JsonDocument, DepthCostsNoStack) {
    constexpr size_t kLevels = 25'000;
    const std::string arrays = "{\"a\":" + nested(kLevels, "[", "]") + "}";
    const std::string objects = nested(kLevels, "{\"a\":", "}");
    EXPECT_TRUE(parses(arrays));
    EXPECT_TRUE(parses(objects));
    EXPECT_FALSE(parses(arrays.substr(0, kLevels)));
    EXPECT_FALSE(parses(objects.substr(0, objects.size() - 1)));
}

TEST(JsonDocument, IsUtf8) {
    for (const char* const bad :
         {"\xff", "\xc3", "\xc0\xaf", "\xe2\x82", "\xed\xa0\x80", "\xf4\x90\x80\x80", "a\x80"}) {
        EXPECT_FALSE(parses(std::string("{\"a\":\"") + bad + "\"}")) << bad;
        EXPECT_FALSE(parses(std::string("{\"") + bad + "\":1}")) << bad;
    }
    EXPECT_EQ(text_in("\"\xc3\xbc\xe2\x82\xac\xf0\x9f\xa6\x8b\""),
              "\xc3\xbc\xe2\x82\xac\xf0\x9f\xa6\x8b");
}

// --- Fields -------------------------------------------------------------------------------------

TEST(JsonFields, HaveTypes) {
    const auto of = [](const char* value, auto read) {
        return complaint(std::string("{\"f\":") + value + "}", read);
    };
    const auto text = [](JsonFields& fields) { return fields.text("f"); };
    const auto boolean = [](JsonFields& fields) { return fields.boolean("f"); };
    const auto number = [](JsonFields& fields) { return fields.number("f", 0, kMost); };
    const auto object = [](JsonFields& fields) { return fields.object("f"); };
    const auto array = [](JsonFields& fields) { return fields.array("f"); };
    for (const char* const value : {"\"x\"", "true", "1", "{}", "[]"}) {
        const std::string_view kind = value;
        EXPECT_EQ(of(value, text), kind == "\"x\"" ? "none" : "f: is not a string");
        EXPECT_EQ(of(value, boolean), kind == "true" ? "none" : "f: is neither true nor false");
        EXPECT_EQ(of(value, number), kind == "1" ? "none" : "f: is not a whole number of 64 bits");
        EXPECT_EQ(of(value, object), kind == "{}" ? "none" : "f: is not an object");
        EXPECT_EQ(of(value, array), kind == "[]" ? "none" : "f: is not an array");
    }
}

TEST(JsonFields, NullIsAbsent) {
    JsonDocument document;
    ASSERT_TRUE(document.parse("{\"t\":null,\"b\":null,\"n\":null,\"o\":null,\"a\":null}").ok());
    JsonFields fields = JsonFields::of(document.root()).value();
    EXPECT_EQ(fields.text("t").value(), std::nullopt);
    EXPECT_EQ(fields.boolean("b").value(), std::nullopt);
    EXPECT_EQ(fields.number("n", 5, 6).value(), std::nullopt);
    EXPECT_EQ(fields.object("o").value(), nullptr);
    EXPECT_EQ(fields.array("a").value(), nullptr);
    EXPECT_TRUE(fields.done().ok());
}

TEST(JsonFields, RequiredOnesAreThere) {
    for (const char* const text : {"{}", "{\"f\":null}"}) {
        EXPECT_EQ(complaint(text, [](JsonFields& it) { return it.required_text("f"); }),
                  "f: is missing");
        EXPECT_EQ(complaint(text, [](JsonFields& it) { return it.required_boolean("f"); }),
                  "f: is missing");
        EXPECT_EQ(complaint(text, [](JsonFields& it) { return it.required_number("f", 0, 1); }),
                  "f: is missing");
    }
}

TEST(JsonFields, UnknownOnesAreNamed) {
    const auto read = [](JsonFields& fields) -> Result<> {
        TRY(fields.number("known", 0, 9));
        return fields.done();
    };
    EXPECT_EQ(complaint("{}", read), "none");
    EXPECT_EQ(complaint("{\"known\":1}", read), "none");
    EXPECT_EQ(complaint("{\"known\":1,\"nown\":2}", read), "nown: is no field of this request");
    EXPECT_EQ(complaint("{\"nown\":null}", read), "nown: is no field of this request");
    EXPECT_EQ(complaint("{\"\":1}", read), ": is no field of this request");
    EXPECT_EQ(complaint("{\"Known\":1}", read), "Known: is no field of this request");
    EXPECT_EQ(complaint("{\"known\\u0000\":1}", read), "known: is no field of this request");
    EXPECT_EQ(complaint("{\"a\\nb\":1}", read), "a?b: is no field of this request");
}

TEST(JsonFields, AreGivenOnce) {
    const auto read = [](JsonFields& fields) -> Result<> {
        TRY(fields.number("n", 0, 9));
        TRY(fields.number("n", 0, 9));  // asking again is no second field
        TRY(fields.number("m", 0, 9));
        return fields.done();
    };
    EXPECT_EQ(complaint("{\"m\":1,\"n\":1}", read), "none");
    EXPECT_EQ(complaint("{\"n\":1,\"m\":1,\"n\":1}", read), "n: is given twice");
    EXPECT_EQ(complaint("{\"n\":null,\"n\":1}", read), "n: is given twice");
    EXPECT_EQ(complaint("{\"n\":1,\"n\":\"x\"}", read), "n: is given twice");
    EXPECT_EQ(complaint("{\"n\":1,\"\\u006e\":2}", read), "n: is given twice");
}

TEST(JsonFields, AreOfAnObject) {
    JsonDocument document;
    ASSERT_TRUE(document.parse("{\"a\":1}").ok());
    const auto fields = JsonFields::of(document.root()["a"], "limits");
    ASSERT_FALSE(fields.ok());
    EXPECT_EQ(text_of(fields.error()), "limits: is not an object");
}

// --- Numbers ------------------------------------------------------------------------------------

TEST(JsonNumber, IsWithinItsLimits) {
    EXPECT_EQ(number_complaint("5", 5, 7), "none");
    EXPECT_EQ(number_complaint("7", 5, 7), "none");
    EXPECT_EQ(number_complaint("4", 5, 7), "n: is too small");
    EXPECT_EQ(number_complaint("8", 5, 7), "n: is too large");
    EXPECT_EQ(number_complaint("-1", 0, 7), "n: is negative");
    EXPECT_EQ(number_complaint("-9223372036854775808"), "n: is negative");
}

TEST(JsonNumber, HasSixtyFourBits) {
    EXPECT_EQ(number_in("0"), 0U);
    EXPECT_EQ(number_in("2147483648"), 2147483648U);
    EXPECT_EQ(number_in("9223372036854775808"), uint64_t{1} << 63);
    EXPECT_EQ(number_in("18446744073709551615"), kMost);
    EXPECT_EQ(number_complaint("18446744073709551616"), "n: is not a whole number of 64 bits");
    EXPECT_EQ(number_complaint("-9223372036854775809"), "n: is not a whole number of 64 bits");
    EXPECT_EQ(number_complaint(std::string(300, '9')), "n: is not a whole number of 64 bits");
    EXPECT_FALSE(parses("{\"n\":1e400}"));
    EXPECT_FALSE(parses("{\"n\":" + std::string(400, '9') + "}"));
}

// 1.0 and 1e3 are whole to some, and to Firecracker they are not.
TEST(JsonNumber, IsWrittenAsAWholeOne) {
    for (const char* const number : {"1.0", "1e3", "1E0", "0.5", "-0.0", "1e-1", "10e-1"})
        EXPECT_EQ(number_complaint(number), "n: is not a whole number of 64 bits") << number;
    EXPECT_EQ(number_in("-0"), 0U);
}

// --- Strings ------------------------------------------------------------------------------------

TEST(JsonText, IsUnescaped) {
    EXPECT_EQ(text_in("\"\""), "");
    EXPECT_EQ(text_in("\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\""), "a\"\\/\b\f\n\r\t");
    EXPECT_EQ(text_in("\"\\u00fc\\ud83e\\udd8b\""), "\xc3\xbc\xf0\x9f\xa6\x8b");
    for (const char* const bad : {"\"\\ud83e\"", "\"\\ud83e\\u0041\"", "\"\\u12\""})
        EXPECT_EQ(text_complaint(bad).substr(0, 4), "JSON") << bad;
}

// What is taken can be written again.
TEST(JsonText, HasNoHalfOfAPair) {
    for (const char* const bad : {"\"\\udd8b\"", "\"\\ud83e\\udd8b\\udfff\"", "\"\\udc00x\""})
        EXPECT_EQ(text_complaint(bad), "t: has half a pair of surrogates") << bad;
    EXPECT_EQ(text_in("\"\\ud7ff\\ue000\""), "\xed\x9f\xbf\xee\x80\x80");
}

TEST(JsonText, HasNoZeroByte) {
    EXPECT_EQ(text_complaint("\"\\u0000\""), "t: has a zero byte");
    EXPECT_EQ(text_complaint("\"/etc/passwd\\u0000.img\""), "t: has a zero byte");
}

// --- Writing ------------------------------------------------------------------------------------

TEST(JsonWriter, WritesWhatItReads) {
    JsonWriter out;
    out.text("t", "a\"\\\n\x01\xc3\xbc");
    out.number("n", kMost);
    out.boolean("b", false);
    out.object("o", [&] { out.number("x", 1); });
    out.array("a", std::array{2, 3}, [&](int n) { out.number("n", static_cast<uint64_t>(n)); });
    out.array("none", std::array<int, 0>{}, [](int) {});
    const std::string text = out.finish();
    EXPECT_EQ(text,
              "{\"t\":\"a\\\"\\\\\\n\\u0001\\u00FC\",\"n\":18446744073709551615,\"b\":false,"
              "\"o\":{\"x\":1},\"a\":[{\"n\":2},{\"n\":3}],\"none\":[]}");
    JsonDocument document;
    ASSERT_TRUE(document.parse(text).ok());
    JsonFields fields = JsonFields::of(document.root()).value();
    EXPECT_EQ(fields.required_text("t").value(), "a\"\\\n\x01\xc3\xbc");
    EXPECT_EQ(fields.required_number("n", 0, kMost).value(), kMost);
}

}  // namespace
