#include "rootfs/mkimage/image_options.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

namespace {

constexpr std::array kFlags = {
    Flag{"--format"},
    Flag{"--size"},
    Flag{"--max-expansion"},
    Flag{"--in-workplace", FlagValue::kNone},
    Flag{.name = "--help", .value = FlagValue::kNone, .alias = "-h"},
    Flag{.name = "--version", .value = FlagValue::kNone, .alias = "-V"},
};

struct SplitArguments {
    std::vector<const char*> flags;
    std::vector<const char*> operands;
};

bool takes_next_as_value(std::string_view argument) {
    return std::ranges::any_of(kFlags, [&](const Flag& flag) {
        return flag.value == FlagValue::kRequired && argument == flag.name;
    });
}

// SOURCE and OUT may stand anywhere between the flags; behind `--` nothing is a flag.
SplitArguments split(std::span<const char* const> arguments) {
    SplitArguments split;
    for (size_t i = 0; i < arguments.size(); ++i) {
        const std::string_view argument = arguments[i];
        if (argument == "--") {
            const auto rest = arguments.subspan(i + 1);
            split.operands.insert(split.operands.end(), rest.begin(), rest.end());
            break;
        }
        if (argument == "-" || !argument.starts_with('-')) {
            split.operands.push_back(arguments[i]);
            continue;
        }
        split.flags.push_back(arguments[i]);
        if (takes_next_as_value(argument) && i + 1 < arguments.size())
            split.flags.push_back(arguments[++i]);
    }
    return split;
}

Result<ImageFormat> parse_format(std::string_view name) {
    for (const ImageFormat format :
         {ImageFormat::kErofs, ImageFormat::kSquashfs, ImageFormat::kExt4})
        if (name == name_of(format)) return format;
    return Error{"--format", 0, "is erofs, squashfs or ext4"};
}

Result<uint64_t> parse_image_size(const char* text) {
    const auto size = parse_size(text);
    if (!size.ok()) {
        Error error = size.error();
        error.what = text;
        return error.about("--size");
    }
    return size;
}

}  // namespace

const char* name_of(ImageFormat format) {
    switch (format) {
        case ImageFormat::kErofs:
            return "erofs";
        case ImageFormat::kSquashfs:
            return "squashfs";
        case ImageFormat::kExt4:
            return "ext4";
    }
    return "";
}

Result<SourceName> SourceName::parse(const char* text) {
    constexpr std::string_view kOci = "oci:";
    constexpr std::string_view kDocker = "docker-archive:";
    const std::string_view view = text;
    SourceName source{.text = text, .path = text};
    if (view == "-") {
        source.kind = SourceKind::kStdin;
    } else if (view.starts_with(kOci)) {
        source.kind = SourceKind::kOciLayout;
        // The first colon behind the path, as skopeo has it: tags may have colons, folders not.
        const std::string_view rest = view.substr(kOci.size());
        const size_t colon = rest.find(':');
        source.path = rest.substr(0, colon);
        if (colon != std::string_view::npos) source.tag = rest.substr(colon + 1);
    } else if (view.starts_with(kDocker)) {
        source.kind = SourceKind::kDockerArchive;
        source.path = view.substr(kDocker.size());
    }
    if (source.path.empty())
        return Error{"SOURCE", 0, "names no file; see mayfly-image --help"}.about(text);
    return source;
}

Result<ImageOptions> ImageOptions::parse(std::span<const char* const> arguments) {
    ImageOptions image;
    // Alone: a SOURCE may be called help.
    if (arguments.size() == 1) image.asked = asked_by_word(arguments);
    if (image.asked != Asked::kNothing) return image;
    const SplitArguments given = split(arguments);
    const Options flags = TRY(Options::parse(kFlags, given.flags));
    image.asked = asked_by_flag(flags);
    if (image.asked != Asked::kNothing) return image;

    if (given.operands.size() < 2)
        return Error{given.operands.empty() ? "SOURCE" : "OUT", 0,
                     "is missing; see mayfly-image --help"};
    if (given.operands.size() > 2)
        return Error{"argument", 0, "is not expected here; see mayfly-image --help"}.about(
            given.operands[2]);
    image.source = TRY(SourceName::parse(given.operands[0]));
    image.out = given.operands[1];
    image.is_in_workplace = flags.has("--in-workplace");
    if (const char* const format = flags.get("--format")) image.format = TRY(parse_format(format));
    if (const char* const size = flags.get("--size")) {
        if (image.format != ImageFormat::kExt4)
            return Error{"--size", 0, "is for --format ext4; the others are as large as they need"};
        image.size = TRY(parse_image_size(size));
    }
    if (const char* const times = flags.get("--max-expansion")) {
        constexpr uint64_t kMost = 1'000'000;
        const auto number = parse_number(times, 1, kMost);
        if (!number.ok()) return number.error().about("--max-expansion");
        image.most_times = number.value();
    }
    return image;
}
