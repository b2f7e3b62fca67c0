#include "core/limits.h"

#include <array>

namespace torchvet {

std::span<const LimitName> limit_names() {
  static constexpr std::array kNames = {
      LimitName{"zip-members", &Limits::zip_members},
      LimitName{"member-name-bytes", &Limits::member_name_bytes},
      LimitName{"inflated-bytes", &Limits::inflated_bytes},
      LimitName{"decompressed-bytes", &Limits::decompressed_bytes},
      LimitName{"inflate-ratio", &Limits::inflate_ratio},
      LimitName{"pickle-opcodes", &Limits::pickle_opcodes},
      LimitName{"pickle-objects", &Limits::pickle_objects},
      LimitName{"pickle-stack", &Limits::pickle_stack},
      LimitName{"pickle-memo", &Limits::pickle_memo},
      LimitName{"string-bytes", &Limits::string_bytes},
      LimitName{"object-depth", &Limits::object_depth},
      LimitName{"tensors", &Limits::tensors},
      LimitName{"tensor-dimensions", &Limits::tensor_dimensions},
      LimitName{"json-bytes", &Limits::json_bytes},
      LimitName{"code-bytes", &Limits::code_bytes},
      LimitName{"graph-nodes", &Limits::graph_nodes},
      LimitName{"worker-reply-bytes", &Limits::worker_reply_bytes},
      LimitName{"worker-seconds", &Limits::worker_seconds},
      LimitName{"value-ratio", &Limits::value_ratio},
      LimitName{"findings-per-rule", &Limits::findings_per_rule},
  };
  static_assert(kNames.size() * sizeof(std::uint64_t) == sizeof(Limits),
                "a limit is missing from the table");
  return kNames;
}

}  // namespace torchvet
