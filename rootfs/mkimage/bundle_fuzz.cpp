// The bytes are a bundle's files: of each its kind, the length of its content in two bytes, and
// that. In a document, '@' and a letter stand for the digest of a file, so that what leads to
// another one can be made up without computing one: '@a' is the first file's. Whatever the
// documents say, what is unpacked lies in the tree, and nothing outside of it changes.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/fuzz_script.hpp"
#include "rootfs/mkimage/bundle.hpp"
#include "rootfs/mkimage/digest.hpp"
#include "rootfs/mkimage/workplace.hpp"

namespace {

constexpr UnpackLimits kLimits{
    .bytes = uint64_t{1} << 20U, .entries = 500, .layer_name_bytes = 1 << 16};
constexpr size_t kMostFiles = 8;
constexpr const char* kSecret = "outside of the bundle";

enum class Kind : uint8_t {
    kIndex,
    kDockerManifest,
    kBlob,
    kNamed,
    kLayer,
    kLink,
    kLayout,
    kRepositories,
    kOldLayer,
    kCount
};

struct File {
    Kind kind{};
    std::string content;
    std::string digest{};
};

class Box {
public:
    Box() {
        const bool has_memory = ::access("/dev/shm", W_OK) == 0;
        path_ = std::string(has_memory ? "/dev/shm" : "/tmp") + "/mayfly-bundle-fuzz-XXXXXX";
        check(::mkdtemp(path_.data()) != nullptr);
        for (const char* const folder : {"/bundle", "/bundle/blobs", "/bundle/blobs/sha256"})
            check(::mkdir((path_ + folder).c_str(), 0755) == 0);
        write("/secret", kSecret);
    }
    Box(const Box&) = delete;
    Box& operator=(const Box&) = delete;
    ~Box() { remove_folder(path_); }

    const std::string& path() const { return path_; }
    UniqueFd bundle() const {
        return UniqueFd(::open((path_ + "/bundle").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    }

    void write(const std::string& name, std::string_view content) const {
        const UniqueFd file(::open((path_ + name).c_str(),
                                   O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644));
        if (!file) return;  // a name that another file has as a link
        check(::write(file.get(), content.data(), content.size()) ==
              static_cast<ssize_t>(content.size()));
    }

    void put(const File& file) const {
        const std::string hex = file.digest.substr(file.digest.find(':') + 1);
        switch (file.kind) {
            case Kind::kIndex:
                return write("/bundle/index.json", file.content);
            case Kind::kDockerManifest:
                return write("/bundle/manifest.json", file.content);
            case Kind::kNamed:  // as Docker names an image's configuration
                return write("/bundle/" + hex + ".json", file.content);
            case Kind::kLayer:
                return write("/bundle/layer.tar", file.content);
            case Kind::kLink:
                static_cast<void>(
                    ::symlink(file.content.c_str(), (path_ + "/bundle/layer.tar").c_str()));
                return;
            case Kind::kRepositories:
                return write("/bundle/repositories", file.content);
            case Kind::kOldLayer:  // with the layer, of the ID "."
                return write("/bundle/json", file.content);
            case Kind::kLayout:
                return write("/bundle/oci-layout", file.content);
            default:
                return write("/bundle/blobs/sha256/" + hex, file.content);
        }
    }

    void check_secret() const {
        std::array<char, 64> text{};
        const UniqueFd file(::open((path_ + "/secret").c_str(), O_RDONLY | O_CLOEXEC));
        const ssize_t size = ::read(file.get(), text.data(), text.size());
        check(size > 0 && std::string_view(text.data(), static_cast<size_t>(size)) == kSecret);
    }

private:
    std::string path_;
};

std::vector<File> read_files(FuzzScript& script) {
    std::vector<File> files;
    while (!script.is_over() && files.size() < kMostFiles) {
        const auto kind = static_cast<Kind>(script.next() % static_cast<uint8_t>(Kind::kCount));
        const auto content = script.next_bytes(script.next_word());
        files.push_back({kind, {content.begin(), content.end()}});
    }
    return files;
}

// From the last to the first: a document names what comes after it.
void take_digests(std::vector<File>& files) {
    for (size_t i = files.size(); i-- > 0;) {
        std::string& content = files[i].content;
        if (files[i].kind != Kind::kLayer && content.size() < 4096) {
            for (size_t at = content.find('@'); at != std::string::npos && at + 1 < content.size();
                 at = content.find('@', at + 1)) {
                const auto named = static_cast<size_t>(content[at + 1] - 'a');
                if (named > i && named < files.size()) content.replace(at, 2, files[named].digest);
            }
        }
        Sha256 sha;
        sha.add(std::as_bytes(std::span(content)));
        files[i].digest = sha.take();
    }
}

void unpack(const Box& box, const char* name, std::string_view tag, bool is_oci, Job& job) {
    auto tree = StagingTree::create(box.path() + name);
    check(tree.ok());
    Expansion expansion;
    Unpacker unpacker(tree.value(), kLimits, expansion, job);
    Bundle bundle(box.bundle(), "bundle", job);
    [[maybe_unused]] const bool is_known = bundle.is_oci() || bundle.is_docker();
    const Result<> done = is_oci ? bundle.unpack_oci(tag, tree.value(), unpacker)
                                 : bundle.unpack_docker(tree.value(), unpacker);
    if (!done.ok()) return check(done.error().what != nullptr);
    check(tree.value().settle_times().ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    FuzzScript script({data, size});
    const bool has_tag = script.next() % 2 == 1;
    std::vector<File> files = read_files(script);
    take_digests(files);
    const Box box;
    for (const File& file : files) box.put(file);
    auto interrupt = Interrupt::create();
    check(interrupt.ok());
    Job job{std::move(interrupt).value()};
    unpack(box, "/oci", has_tag ? "v1" : "", true, job);
    unpack(box, "/docker", "", false, job);
    box.check_secret();
    return 0;
}
