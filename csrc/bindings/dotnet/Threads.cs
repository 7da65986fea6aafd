// Who computes: turns between calls, and the threads that the library starts.
using System;
using System.Runtime.InteropServices;

namespace PyEngine {

/// <summary>Decides which of several calls and streams computes; those that name it keep it alive.
/// </summary>
public sealed class Scheduler : IDisposable {
  internal readonly SchedulerHandle Handle;

  public Scheduler() { PyEngineException.Check(Native.pye_scheduler_open(out Handle)); }

  public void Dispose() { Handle.Dispose(); }
}

/// <summary>How the system schedules a thread.</summary>
public enum ThreadPolicy { Normal, Fifo, RoundRobin }

/// <summary>Of threads that the library starts. Where the system refuses one of these wishes,
/// opening fails.</summary>
public sealed class ThreadOptions {
  /// <summary>Up to 15 bytes are shown; null = "pyengine".</summary>
  public string Name { get; set; }
  /// <summary>Numbers of the hardware threads they may run on; null = any.</summary>
  public int[] Cores { get; set; }
  public ThreadPolicy Policy { get; set; }
  /// <summary>A nice value, -20 (first) to 19; in real time 1 to 99 (first); 0 = as the opening
  /// thread.</summary>
  public int Priority { get; set; }

  // What C reads until `memory` is disposed.
  internal static IntPtr ToNative(ThreadOptions options, NativeMemory memory) {
    if (options == null) return IntPtr.Zero;
    int[] cores = options.Cores ?? new int[0];
    return memory.Add(new Native.pye_thread_options {
      size = Size.Of<Native.pye_thread_options>(), name = memory.Add(options.Name),
      cores = memory.Add(cores), core_count = cores.Length, policy = (int)options.Policy,
      priority = options.Priority,
    });
  }
}

internal sealed class SchedulerHandle : SafeHandle {
  private SchedulerHandle() : base(IntPtr.Zero, true) {}
  public override bool IsInvalid { get { return handle == IntPtr.Zero; } }
  protected override bool ReleaseHandle() {
    Native.pye_scheduler_close(handle);
    return true;
  }
}

// A handle that C reads out of a struct: it stays open until this is disposed.
internal sealed class HeldHandle : IDisposable {
  private readonly SafeHandle handle;
  private readonly bool held;

  internal HeldHandle(SafeHandle given) {
    handle = given;
    if (handle != null) handle.DangerousAddRef(ref held);
  }

  internal IntPtr Value { get { return held ? handle.DangerousGetHandle() : IntPtr.Zero; } }

  public void Dispose() {
    if (held) handle.DangerousRelease();
  }
}
}
