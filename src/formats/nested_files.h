#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "core/bytes.h"
#include "formats/zip.h"
#include "model/artifact.h"

namespace torchvet {

/// Files of torch.save, and bare pickles, that are members of an archive. Each becomes pickles of
/// the artifact, named by the whole way to it: "net/data/sample_inputs/model.pt/archive/data.pkl".
/// Members of an inner zip that hold pickles or numbers are appended to the artifact's members.
class NestedFiles {
 public:
  /// References must outlive this.
  NestedFiles(ByteView file, const ZipDirectory& zip, const Limits& limits, Artifact& artifact)
      : file_(file), zip_(zip), limits_(limits), artifact_(artifact) {}

  /// What a member's pickle builds, its tensors resolved. kNoObject when the member is empty, or
  /// broken, which leaves a fault. A member is read once, however often it is asked for.
  ObjectId load(MemberId id) { return read(id, true); }
  /// The same for a file of its own, which the member stands for: a shard.
  ObjectId load(ByteView bytes, MemberId id) { return read_file(bytes, id, {true, false}); }
  /// Records what a member's pickle would import and call, and leaves its tensors alone.
  void record(MemberId id) { read(id, false); }

 private:
  struct How {
    bool tensors;   ///< resolve them
    bool inflated;  ///< the bytes are no part of a file
  };
  ObjectId read(MemberId id, bool tensors);
  ObjectId read_file(ByteView bytes, MemberId id, How how);
  std::optional<ByteView> contents(const ByteView& file, const Member& member,
                                   const std::string& name);
  ObjectId read_zip(ByteView bytes, const std::string& name, How how);
  ObjectId read_stream(ByteView bytes, MemberId id, const std::string& name, bool tensors);
  ObjectId run(ByteView& bytes, MemberId id, std::string name);
  void resolve_in_zip(ByteView bytes, const ZipDirectory& inner, ObjectId first, MemberId pickle,
                      const std::string& name, bool inflated);
  void resolve_without_bytes(ObjectId first, MemberId pickle);
  MemberId add_member(const Member& member, const std::string& outer);

  ByteView file_;
  const ZipDirectory& zip_;
  const Limits& limits_;
  Artifact& artifact_;
  std::uint64_t inflated_ = 0;  ///< bytes that are kept alive
  std::unordered_map<MemberId, ObjectId> roots_;
};

}  // namespace torchvet
