"""Failure rules about machines, schedulers, memory and communication: tried before those about the program."""

from typing import Final

from services.training.failure_rule import FailureRule, Owner, rule

_INFRA, _CODE = Owner.INFRASTRUCTURE, Owner.CODE
_DEVICE: Final = r"(?:cuda|gpu|hip|mps|xpu|npu|tpu|hbm|vram)"
_EITHER: Final = r"(?:cuda|cpu)"
_CARD: Final = r"['\"]?(?:cuda|gpu|mps|xla|npu)(?::\d+)?\b"
_HOST: Final = r"['\"]?cpu\b(?!-)"
_PLACED: Final = r"\b(?:on|is|at|device)(?: device)?"

MACHINE: Final[tuple[FailureRule, ...]] = (
    rule(
        "preempted", _INFRA,
        r"due to preemption", r"\b(?:was|been|got|is being)\s+preempted\b", r"\bpreempted by\b",
        r"\bstate[=: ]+preempted\b",
        r"reason[=:]\s*\"?preempt", r"spot (?:instance|vm)[^.]{0,40}(?:interrupt|reclaim|evict)",
        r"spot interruption (?:notice|warning)", r"PreemptionByScheduler", r"TERMINATE_ON_HOST_MAINTENANCE",
        r"^\W*preempted\W*$",
        stems="preempt|spot |host_maintenance", retryable=True,
    ),
    # Two families whose words are those of a full disk or of host memory, and whose cause is another.
    rule(
        "ram_oom", _CODE, r"unable to write to file </torch_",
        stems="</torch_",
    ),
    rule(
        "nccl", _INFRA, r"\bibv_\w+[^\n]{0,40}failed",
        stems="ibv_", retryable=True,
    ),
    rule(
        "disk_full", _INFRA,
        r"no space left on device", r"disk quota exceeded", r"\bErrno (?:28|122)\b", r"\bENOSPC\b",
        r"file ?system is full",
        stems="no space left|disk quota|errno|enospc|is full",
    ),
    rule(
        "quota_refused", _INFRA,
        r"exceeded quota", r"quota[^.]{0,40}\bexceeded\b", r"\bQOS(?:Max|Grp)\w+|\bAssocGrp\w+",
        r"\d insufficient (?:nvidia\.com/gpu|cpu|memory|google\.com/tpu)\b", r"InsufficientInstanceCapacity",
        r"ZONE_RESOURCE_POOL_EXHAUSTED|STOCKOUT", r"violates accounting/qos policy", r"FailedScheduling|Unschedulable",
        stems="quota|qos|assocgrp|insufficient|exhausted|stockout|schedul", retryable=True,
    ),
    # The error is CUDA's and keeps its name; the cause is the card.
    rule(
        "cuda_runtime", _INFRA,
        r"cuda error[^\n]*uncorrectable (?:ecc|nvlink)", r"CUDA_ERROR_ECC|cudaErrorECC",
        stems="uncorrectable|ecc", retryable=True,
    ),
    rule(
        "node_failure", _INFRA,
        r"\bNODE_FAIL\b", r"due to node failure", r"node failure on\b", r"\bNVRM: Xid\b|\bXid \(PCI",
        r"fallen off the bus", r"\bGPU is lost\b", r"uncorrectable ecc", r"nvlink[^.]{0,30}(?:error|fail|fatal)",
        r"\bNode(?:Lost|NotReady|Shutdown)\b", r"hardware error\b", r"machine check exception", r"\bErrno 5\b",
        r"stale file handle", r"transport endpoint is not connected", r"lost contact with (?:the )?node",
        stems="node|xid|off the bus|gpu is lost|ecc|nvlink|hardware err|machine check|errno|stale file"
              "|endpoint",
        retryable=True,
    ),
    rule(
        "device_mismatch", _CODE,
        r"all tensors to be on the same device", r"found at least two devices", r"\b(?:two|on) different devices\b",
        r"\bon device ['\"]?(?:cuda|gpu)\b[^\n]{1,60}\bon (?:device )?['\"]?cpu\b",
        r"\bon device ['\"]?cpu\b[^\n]{1,60}\bon (?:device )?['\"]?(?:cuda|gpu)\b",
        r"(?:should be|must be|to be)\b[^.]{0,60}\bon the same device", r"is not on the expected device",
        r"\bsame device as (?:the|that|this|those|all|other|tensor|argument)\b", r"but found one of them on device",
        r"is on cpu, but expected[^.]{0,20}(?:gpu|cuda)", r"is on (?:gpu|cuda)[^.]{0,10}but expected[^.]{0,20}cpu",
        rf"expected (?:a |an |object of )?['\"]?(?:device type |backend )?{_EITHER}(?::\d+)?['\"]?[^.]{{0,40}}"
        rf"(?:but got|but found)[^.]{{0,20}}{_EITHER}",
        r"input type \((?:torch\.)?cuda\.\w+\) and weight type \((?:torch\.)?(?!cuda)\w+\)",
        r"input type \((?:torch\.)?(?!cuda)\w+\) and weight type \((?:torch\.)?cuda\.\w+\)",
        r"input type \(MPS\w+\) and weight type \((?!MPS)[\w.]+\)",
        r"input type \((?!MPS)[\w.]+\) and weight type \(MPS\w+\)",
        r"can't convert (?:cuda|mps|xpu|npu|hpu) device type tensor to numpy",
        r"placeholder storage has not been allocated on mps",
        r"received incompatible devices", r"tensors on conflicting devices", r"\bdifferent devices: ",
        rf"^[\w.]*Error: [^\n]*{_PLACED} {_CARD}[^\n]{{1,60}}{_PLACED} {_HOST}",
        rf"^[\w.]*Error: [^\n]*{_PLACED} {_HOST}[^\n]{{1,60}}{_PLACED} {_CARD}",
        r"to be on (?:the )?same device", r"\bdevice mismatch\b", r"on one device, got",
        r"on (?:a )?different device\b",
        r"was expected to be on[^\n]*but is actually on",
        r"not (?:at|on) the same device", r"must be on the current device",
        r"have one of the following device[^.]{0,20}but got", r"can't convert \w+:\d+ device type tensor to numpy",
        r"cannot be accessed from triton \(cpu tensor",
        stems="on cpu|on cuda|at cpu|at cuda|device|is on cpu|is on gpu|is on cuda|expected|input type"
              "|placeholder storage|cpu tensor",
    ),
    # The kernel's and the scheduler's own words, which may begin with the name of a host called gpu-something.
    rule(
        "oom_killer", _INFRA,
        r"out of memory:? kill(?:ed)? process", r"\boom[-_ ]?kill(?!\w*\W+(?:false|true|off|on|no|0|none)\b)",
        r"OOMKilled(?!\W+false)",
        r"invoked oom-killer", r"\btasks? [\d,-]+: out of memory", r"due to out of memory",
        r"memory cgroup out of memory",
        stems="oom|out of memory",
    ),
    rule(
        "cuda_oom", _CODE,
        rf"\b{_DEVICE}\b[^\n]{{0,60}}\bout[ _]of[ _]memory", rf"out of memory[^\n]{{0,60}}\b{_DEVICE}\b",
        r"CUDA_ERROR_OUT_OF_MEMORY|cudaErrorMemoryAllocation", r"cuda runtime error \(2\)",
        r"(?:CUBLAS|CUDNN|CUSOLVER)_STATUS_ALLOC_FAILED", r"OOM when allocating[^\n]*device:(?:GPU|TPU|XLA_GPU)",
        r"OOM when allocating[^\n]*by allocator GPU", r"torch(?:\.cuda)?\.OutOfMemoryError",
        r"cupy[\w.]*OutOfMemoryError", r"outofmemoryerror: (?:cuda|hip|mps|xpu)",
        r"RESOURCE_?EXHAUSTED(?:ERROR)?:? *(?:XLA:TPU|out of memory|failed to allocate)",
        r"out of memory in memory space hbm",
        r"\b(?:cuda|cu|hip)(?:malloc|mem|host|alloc)\w*[^\n]{0,60}out of memory",
        r"\bout[ _]of[ _]device[ _]memory", r"\bRMM (?:failure|allocation)[^\n]*(?:pool|failed|exceeded)",
        r"no available memory for the cache blocks", r"no executable batch size found", r"NCudaLib::TOutOfMemoryError",
        r"gpu_\d+_bfc\) ran out of memory", r"dst tensor is not initialized",
        rf"(?:not enough|insufficient) (?:free |available )?{_DEVICE} memory",
        r"BFCArena|smaller than requested bytes of \d+",  # ONNX Runtime's arena on a card
        r"out of memory allocating [\d,]+ bytes",  # CuPy, without its module
        r"^OutOfMemoryError\b(?!: (?:java|gc|metaspace|direct|unable|requested|task))",
        rf"(?:failed|unable) to allocate[^\n]{{0,60}}\b(?:{_DEVICE}|device) memory", rf"\b{_DEVICE}[ -]OOM\b(?!-)",
        stems="memory|runtime error (2)|alloc_failed|oom|resource_exhausted|resourceexhausted|rmm "
              "|executable batch|dst tensor|bfcarena|than requested",
    ),
    rule(
        "oom_killer", _INFRA,
        r"killed by the (?:cgroup )?out[- ]of[- ]memory", r"killed by the cgroup",
        r"exceeded (?:job |step |its )?memory limit", r"exceeding (?:physical |virtual )?memory limits?",
        r"(?:beyond|above|over)\b[^\n]{0,30}\bmemory limit", r"running low on memory",
        r"\bKilledWorker\b|exceeded [\d.]+% memory budget",
        r"(?:systemd-oomd|earlyoom)[^\n]*(?:kill|sending sig)",
        r"\bOUT_OF_MEMORY\b(?![^\n]*cuda)", r"low on resource: memory", r"sent SIGKILL! perhaps out of memory",
        r"replica[^\n]{1,40}ran out[- ]of[- ]memory",
        r"\bmem(?:ory)? [\d.]+ ?[kmg]?b exceeded limit", r"\bmemory usage limit", r"\bTERM_MEMLIMIT\b",
        r"\b(?:container|pod|executor|process|task|job)\b[^\n]{0,40}\bkilled\b[^\n]{0,40}\bmemory\b",
        r"reason[=:]\s*\"?oom", r"worker[^\n]{0,60}killed by signal: killed",
        r"exit codes? of the workers? (?:are|is) \{SIGKILL",
        stems="memory|oom|killed by|sigkill|killedworker|exceeded limit|memlimit",
    ),
    rule(
        "ram_oom", _CODE,
        r"MemoryError\b", r"std::bad_alloc", r"cannot allocate (?:memory|vector)", r"\bErrno 12\b|\bENOMEM\b",
        r"DefaultCPUAllocator", r"java heap space|gc overhead limit|java\.lang\.OutOfMemoryError",
        r"memory allocation of \d+ bytes failed", r"OOM when allocating", r"\bout of memory\b",
        r"out of host memory", r"\b(?:insufficient|not enough) memory\b", r"paging file is too small",
        r"insufficient shared memory|unable to allocate shared memory|out of shared memory", r"bus error[^\n]*shm",
        r"unable to allocate [\d.,]+ ?[kmgtp]i?b", r"(?:failed|unable) to allocate [\d.,]+ ?(?:bytes|[kmgt]i?b)",
        r"outofmemory(?:error|exception)", r"malloc of size \d+ failed",
        stems="memory|alloc|errno|enomem|heap space|gc overhead|oom when|shm|paging file",
    ),
    # A kernel that failed ends the group that waited for it, and is reported in the group's name.
    rule(
        "cuda_runtime", _CODE,
        r"terminated with exception: (?:CUDA|HIP) error(?!: out of memory)",
        stems="terminated with exception",
    ),
    rule(
        "nccl", _INFRA,
        r"\bnccl error\b", r"\bnccl(?:System|UnhandledCuda|Unhandled|Internal|Remote|InProgress)Error\b",
        r"ncclInvalid\w+", r"watchdog caught collective", r"collective operation timeout", r"nccl warn",
        r"nccl operations? (?:have |has )?(?:failed|timed out)", r"\b(?:rccl|hccl) error\b",
        r"\boneCCL: [^\n]*(?:fail|error|timeout|exception)",
        r"\bnccl\w*\b[^\n]*\b(?:timed? ?out|timeout|abort(?:ed|ing)?|unhandled|failed|failure)\b",
        r"DistBackendError|DistNetworkError|DistStoreError",
        r"gloo[^\n]*(?:timed out|connection (?:closed|reset|refused)|connectFullMesh)", r"enforce fail at[^\n]*gloo",
        r"\bgloo::\w*Exception", r"collective ops is aborted", r"barrier timed out",
        r"coordination service[^\n]*(?:unavailable|unhealthy|heartbeat|shut ?down|error)",
        r"distributed service detected fatal", r"tasks are unhealthy", r"stopped sending heartbeats",
        # Only the sockets between ranks say these as a RuntimeError.
        r"RuntimeError: (?:broken pipe|connection re(?:set|fused)|socket timeout|stop_waiting response)",
        r"lost communication with a remote daemon", r"btl_(?:tcp|openib)\w*:?[^\n]*(?:error|fail|unexpected)",
        r"\bucx\b[^\n]*(?:error|retry count|unreachable)", r"ProcessGroupNCCL is only supported with GPUs",
        r"Rendezvous(?:Timeout|Connection|Closed)\w*", r"TCPStore[^\n]*(?:timed out|timeout|failed|reset|broken)",
        r"\[c10d\][^\n]*(?:timed out|failed|timeout)",
        r"timed out (?:initializing process group|waiting for (?:clients|all ranks))",
        r"NET/IB[^\n]*(?:error|vendor err|fail)", r"MPI_ABORT was invoked",
        r"\berror occurred in MPI_\w+", r"\bMPI_ERR(?:ORS_ARE_FATAL|_[A-Z]+)\b", r"\bcollective/\w+\.(?:cc|h):\d",
        r"horovod has been shut down|HorovodInternalError",
        r"monitoredBarrier", r"heartbeat monitor timed out",
        r"client socket has (?:timed out|failed to connect)",
        r"ProcessGroupNCCL[^\n]*(?:no heartbeat|watchdog hang|watchdog got stuck)", r"mismatch between collectives",
        stems="nccl|watchdog|collective|rccl|hccl|oneccl|dist|gloo|rendezvous|tcpstore|c10d"
              "|timed out|net/ib|mpi_|horovod|monitoredbarrier|client socket"
              "|barrier timed|coordination|unhealthy|heartbeats|runtimeerror: |daemon|btl_|ucx", retryable=True,
    ),
    rule(
        "cuda_runtime", _INFRA,
        r"\bcuda unknown error", r"could not select device driver", r"failed to initialize nvml",
        r"failed to get convolution algorithm|dnn library initialization failed|cudnn failed to initialize",
        r"cuda (?:error|driver)[^\n]*(?:unknown error|initialization failed|insufficient|too old)",
        r"unspecified launch failure", r"found no nvidia driver", r"nvidia driver[^\n]{0,40}too old",
        r"no cuda gpus are available", r"no cuda-capable device", r"unexpected error from cuda\w+",
        r"CUDA_ERROR_(?:NO_DEVICE|NOT_INITIALIZED|UNKNOWN|LAUNCH_FAILED)",
        r"nvml[^\n]*(?:mismatch|not (?:loaded|found)|unknown error)", r"cuda-capable device\(s\) is/are",
        stems="cuda|launch failure|nvidia|nvml|device driver|convolution algorithm|dnn", retryable=True,
    ),
    rule(
        "cuda_runtime", _CODE,
        r"\b(?:cuda|hip)(?: driver)? (?:error|exception|failure)\b", r"\bcuda runtime (?:error\b|implicit init)",
        r"triton error \[", r"_cuda_\w+ failed with error code", r"device kernel image is invalid",
        r"\b(?:blas|cublas|cudnn|gemm)\b[^\n]{0,20}launch failed",
        r"unable to find an engine to execute", r"memory access fault by gpu", r"device-side assert",
        r"illegal memory access",
        r"\b(?:CUBLAS|CUDNN|CUSOLVER|CUFFT|CUSPARSE|CURAND|HIPBLAS)_STATUS_(?!SUCCESS)\w+", r"CUDA_ERROR_\w+",
        r"\bcudaError(?!MemoryAllocation)\w+", r"\b(?:cudnn|cublas|cusolver|cufft) error\b",
        r"block: \[\d+,\d+,\d+\], thread: \[\d+,\d+,\d+\] assertion", r"no kernel image is available",
        r"misaligned address", r"AcceleratorError", r"warp illegal|illegal instruction was encountered",
        r"triton[\w.]*OutOfResources",
        stems="cuda|hip|triton error|launch failed|find an engine|access fault|device-side|illegal|_status_"
              "|cudnn|cublas|cusolver|cufft|block: [|kernel image|misaligned|acceleratorerror|outofresources",
    ),
)
