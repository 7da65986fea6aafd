// Frames in at a scanner's rate, results of known age out.
using System;
using System.Buffers;
using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Tasks;

namespace PyEngine {

/// <summary>What happens to a frame that comes while another is computed.</summary>
public enum Policy {
  /// <summary>It waits, in place of the one that waited.</summary>
  Newest,
  /// <summary>It waits behind those that wait; refused while the queue is full.</summary>
  All,
  /// <summary>It is refused.</summary>
  Reject
}

/// <summary>How a frame ended.</summary>
public enum FrameStatus { Done, Late, Replaced, Expired, Cancelled, Failed }

/// <summary>What becomes of frames that have not ended when a stream is stopped.</summary>
public enum Ending { Drain, Discard }

/// <summary>A result where it lies, as long as the handler that it is given to.</summary>
public unsafe ref struct FrameView {
  internal Native.pye_result Result;

  public long Number { get { return Result.number; } }
  public FrameStatus Status { get { return (FrameStatus)Result.status; } }
  /// <summary>From submission to end.</summary>
  public TimeSpan Age { get { return Times.Span(Result.end_ns - Result.submit_ns); } }
  /// <summary>Labels (slices, height, width), if that is the stream's output.</summary>
  public ReadOnlySpan<byte> Labels {
    get { return new ReadOnlySpan<byte>((void*)Result.data, Result.output == 0 ? Count : 0); }
  }
  /// <summary>(slices, outputs, height, width) otherwise.</summary>
  public ReadOnlySpan<float> Scores {
    get { return new ReadOnlySpan<float>((void*)Result.data, Result.output == 0 ? 0 : Count); }
  }

  private int Count {
    get {
      if (Result.data == IntPtr.Zero) return 0;
      return checked((int)(Result.slices * Result.classes * Result.height * Result.width));
    }
  }
}

/// <summary>Told of each frame that ended, on the stream's thread.</summary>
public delegate void FrameHandler(FrameView frame);

/// <summary>How a stream is opened; null and 0 are the defaults.</summary>
public sealed class StreamOptions {
  /// <summary>Of the largest frame. Required.</summary>
  public int Height { get; set; }
  public int Width { get; set; }
  public int Slices { get; set; }
  public Policy Policy { get; set; }
  public int Queue { get; set; }
  public Output Output { get; set; }
  public TimeSpan Deadline { get; set; }
  /// <summary>A frame whose deadline passes while it is computed is stopped, not finished.</summary>
  public bool CancelLate { get; set; }
  /// <summary>Sees results where they lie; tasks then bring no copy.</summary>
  public FrameHandler Done { get; set; }
  /// <summary>How every frame is segmented; without callbacks.</summary>
  public SegmentOptions Each { get; set; }
  /// <summary>Of the thread that computes.</summary>
  public ThreadOptions Thread { get; set; }
}

/// <summary>A frame's end, with a copy of its result.</summary>
public sealed class FrameResult {
  public long Number { get; internal set; }
  public FrameStatus Status { get; internal set; }
  public TimeSpan Age { get; internal set; }
  public TimeSpan Compute { get; internal set; }
  /// <summary>Null unless done or late.</summary>
  public byte[] Labels { get; internal set; }
  public float[] Scores { get; internal set; }
}

/// <summary>What a stream did since it was opened.</summary>
public sealed class StreamStatistics {
  public long Submitted { get; internal set; }
  public long Done { get; internal set; }
  public long Late { get; internal set; }
  public long Replaced { get; internal set; }
  public long Expired { get; internal set; }
  public long Cancelled { get; internal set; }
  public long Failed { get; internal set; }
  public long Refused { get; internal set; }
  public TimeSpan AgeP50 { get; internal set; }
  public TimeSpan AgeP99 { get; internal set; }
  public TimeSpan AgeMax { get; internal set; }
  public TimeSpan ComputeP50 { get; internal set; }
}

/// <summary>Frames of one source on their way through one engine, which it keeps open.</summary>
public sealed class FrameStream : IDisposable {
  private readonly StreamHandle handle;
  private readonly long channels;

  /// <summary>Memory and plans are ready when it returns.</summary>
  public unsafe FrameStream(Engine engine, StreamOptions options) {
    channels = engine.Info.Channels;
    var state = GCHandle.Alloc(options.Done ?? NoHandler);
    try {
      using (var each = new Call(options.Each))
      using (var memory = new NativeMemory()) {
        if (each.Native.progress != IntPtr.Zero || each.Native.cancelled != IntPtr.Zero)
          throw new ArgumentException("Each: a stream's frames have no callbacks; see Cancel()");
        var given = new Native.pye_stream_options();
        Native.pye_stream_options_init(ref given, Size.Of<Native.pye_stream_options>());
        given.height = options.Height;
        given.width = options.Width;
        given.slices = options.Slices;
        given.policy = (int)options.Policy;
        given.copy = 0;
        given.queue = options.Queue;
        given.output = (int)options.Output;
        given.deadline_ns = Times.Nanoseconds(options.Deadline);
        given.late = options.CancelLate ? 1 : 0;
        given.done = Marshal.GetFunctionPointerForDelegate(OnDone);
        given.user = GCHandle.ToIntPtr(state);
        given.thread = ThreadOptions.ToNative(options.Thread, memory);
        fixed (Native.pye_segment_options* segment = &each.Native) {
          given.segment = (IntPtr)segment;
          PyEngineException.Check(Native.pye_stream_open(engine.Handle, ref given, out handle));
        }
      }
      handle.Hold(engine.Handle, state);
    } catch {
      state.Free();
      throw;
    }
  }

  /// <summary>Hands a frame over; never waits for the network. `pixels` is pinned, and must stay as
  /// it is, until the task ends: with a result, or with an exception where the frame failed or was
  /// refused (Status.Busy).</summary>
  public unsafe Task<FrameResult> Submit<T>(ReadOnlyMemory<T> pixels, int height, int width,
                                            TimeSpan deadline = default(TimeSpan),
                                            int slices = 1) where T : struct {
    var pending = new Pending(pixels.Pin());
    var pinned = GCHandle.Alloc(pending);
    try {
      var frame = new Native.pye_frame();
      Native.pye_frame_init(ref frame, Size.Of<Native.pye_frame>());
      frame.image = Images.Of<T>((byte*)pending.Pixels.Pointer, pixels.Length / Math.Max(1, slices),
                                 height, width, channels);
      frame.slices = slices;
      frame.slice_stride_bytes = height * frame.image.row_stride_bytes;
      frame.deadline_ns = Times.Nanoseconds(deadline);
      frame.user = GCHandle.ToIntPtr(pinned);
      var submission = new Native.pye_submission { size = Size.Of<Native.pye_submission>() };
      var status = Native.pye_stream_submit(handle, ref frame, ref submission);
      string message = status == Status.Ok ? null : Text.From(Native.pye_last_error());
      if (submission.replaced_number != 0)
        Pending.Take(submission.replaced_user).SetResult(new FrameResult {
          Number = submission.replaced_number, Status = FrameStatus.Replaced });
      if (status != Status.Ok)
        Pending.Take(frame.user).SetException(new PyEngineException(status, message));
      return pending.Task;
    } catch {
      pinned.Free();
      pending.Pixels.Dispose();
      throw;
    }
  }

  /// <summary>Cancels frame `number`, 0: all. Does not wait.</summary>
  public void Cancel(long number = 0) {
    PyEngineException.Check(Native.pye_stream_cancel(handle, number));
  }

  /// <summary>Waits until no frame waits or is at work.</summary>
  public void Flush() { PyEngineException.Check(Native.pye_stream_flush(handle, -1)); }

  /// <summary>Takes no more frames and returns once all have ended.</summary>
  public void Stop(Ending ending) {
    PyEngineException.Check(Native.pye_stream_stop(handle, (int)ending));
  }

  public StreamStatistics Statistics {
    get {
      var s = new Native.pye_stream_stats { size = Size.Of<Native.pye_stream_stats>() };
      PyEngineException.Check(Native.pye_stream_statistics(handle, ref s));
      return new StreamStatistics {
        Submitted = s.submitted, Done = s.done, Late = s.late, Replaced = s.replaced,
        Expired = s.expired, Cancelled = s.cancelled, Failed = s.failed, Refused = s.refused,
        AgeP50 = Times.Span(s.age.p50_ns), AgeP99 = Times.Span(s.age.p99_ns),
        AgeMax = Times.Span(s.age.max_ns), ComputeP50 = Times.Span(s.compute.p50_ns),
      };
    }
  }

  /// <summary>Discards what has not ended, and closes.</summary>
  public void Dispose() { handle.Dispose(); }

  private static readonly FrameHandler NoHandler = frame => {};
  // One delegate for all streams, so that it lives as long as C may call it.
  private static readonly Native.pye_done OnDone = Ended;

  private static void Ended(IntPtr user, ref Native.pye_result result) {
    Pending pending = Pending.Take(result.user);
    try {
      var handler = (FrameHandler)GCHandle.FromIntPtr(user).Target;
      var view = new FrameView { Result = result };
      handler(view);
      if (view.Status == FrameStatus.Failed)
        throw new PyEngineException((Status)result.error, Text.From(result.message));
      bool copies = handler == NoHandler && result.data != IntPtr.Zero;
      pending.SetResult(new FrameResult {
        Number = view.Number, Status = view.Status, Age = view.Age,
        Compute = Times.Span(result.begin_ns == 0 ? 0 : result.end_ns - result.begin_ns),
        Labels = copies && result.output == 0 ? view.Labels.ToArray() : null,
        Scores = copies && result.output != 0 ? view.Scores.ToArray() : null,
      });
    } catch (Exception e) {
      pending.SetException(e);
    }
  }

  // A frame under way: its pixels stay where they are, and somebody waits for its end.
  private sealed class Pending {
    internal MemoryHandle Pixels;
    // Whoever awaits goes on elsewhere: the stream's thread has other frames to compute.
    private readonly TaskCompletionSource<FrameResult> source =
        new TaskCompletionSource<FrameResult>(TaskCreationOptions.RunContinuationsAsynchronously);

    internal Pending(MemoryHandle pixels) { Pixels = pixels; }
    internal Task<FrameResult> Task { get { return source.Task; } }

    // What C was given as `user`; it comes back once.
    internal static Pending Take(IntPtr user) {
      var pinned = GCHandle.FromIntPtr(user);
      var pending = (Pending)pinned.Target;
      pinned.Free();
      pending.Pixels.Dispose();
      return pending;
    }
    internal void SetResult(FrameResult result) { source.SetResult(result); }
    internal void SetException(Exception e) { source.SetException(e); }
  }
}

internal sealed class StreamHandle : SafeHandle {
  private EngineHandle engine;
  private GCHandle state;

  private StreamHandle() : base(IntPtr.Zero, true) {}
  public override bool IsInvalid { get { return handle == IntPtr.Zero; } }

  // What must live as long as the stream.
  internal void Hold(EngineHandle owner, GCHandle callbacks) {
    bool held = false;
    owner.DangerousAddRef(ref held);
    engine = owner;
    state = callbacks;
  }

  protected override bool ReleaseHandle() {
    bool closed = Native.pye_stream_close(handle, (int)Ending.Discard) == Status.Ok;
    if (state.IsAllocated) state.Free();
    if (engine != null) engine.DangerousRelease();
    return closed;
  }
}

internal static class Times {
  private const long NanosecondsPerTick = 100;

  internal static TimeSpan Span(long nanoseconds) {
    return TimeSpan.FromTicks(nanoseconds / NanosecondsPerTick);
  }
  internal static long Nanoseconds(TimeSpan span) { return span.Ticks * NanosecondsPerTick; }
}
}
