#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "formats/dcp/metadata.h"
#include "io/source.h"
#include "model/artifact.h"

namespace torchvet {

/// The `.distcp` files of a checkpoint. Each item in them is a whole file of torch.save: a shard of
/// a tensor, or any other object.
class DcpFiles {
 public:
  /// References must outlive this.
  DcpFiles(Source& folder, const DcpMetadata& metadata, const Limits& limits, Artifact& artifact)
      : folder_(folder),
        metadata_(metadata),
        limits_(limits),
        artifact_(artifact),
        files_(metadata.files.size()) {}

  /// The bytes of an item; nothing, and a fault, when its file is missing or too short.
  [[nodiscard]] std::optional<ByteView> bytes_of(const DcpItem& item, const DcpEntry& entry);
  /// The member that stands for an item's file, once `bytes_of` has opened it.
  [[nodiscard]] MemberId member_of(const DcpItem& item) const { return files_[item.file].member; }

  /// The one tensor that an item holds, as torch.save described it.
  struct Shard {
    DType dtype = DType::kUnknown;
    std::vector<std::int64_t> shape;
    std::vector<std::int64_t> strides;
    std::string location;
    ByteView bytes;  ///< from its first element on
    bool big_endian = false;
  };
  /// Nothing, and a fault, when the bytes are not those of a tensor.
  [[nodiscard]] std::optional<Shard> shard(ByteView bytes, const DcpItem& item,
                                           const DcpEntry& entry);

  /// When every item has been asked for: items that overlap each other in one file, and one gap for
  /// each file of which items could not be read.
  void finish();

 private:
  struct File {
    struct Item {
      ByteRange where;
      const DcpEntry* entry;
    };
    bool tried = false;
    std::shared_ptr<Source> source;  ///< null when it could not be opened
    MemberId member = 0;
    std::vector<Item> items;
    std::uint64_t lost = 0;  ///< items that could not be read
    std::string first_loss;
  };
  /// What a pickle says, without its bytes; many shards have the same one.
  struct Description {
    Tensor tensor;
    std::string key;
    std::string location;
    std::uint64_t declared_bytes = 0;
  };

  File& open(const DcpItem& item, const DcpEntry& entry);
  void lose(const DcpItem& item, Error error);
  void check_overlaps(const std::string& name, std::vector<File::Item>& items);
  void forget_pages();
  std::optional<Description> describe(ByteView pickle) const;

  Source& folder_;
  const DcpMetadata& metadata_;
  const Limits& limits_;
  Artifact& artifact_;
  std::vector<File> files_;  ///< in the order of `DcpMetadata::files`
  std::size_t looked_at_ = 0;
  std::unordered_map<std::string, std::optional<Description>> described_;
};

}  // namespace torchvet
