// Runs Rerun's web viewer and hands requests and events between it and the Python object
// `bridge` (viewers/rerun_requests.py). What the bytes mean is known there, not here.
"use strict";

// The viewer follows the system's colour scheme. Here the "system" is the host window: a media
// query of our own, so that the theme changes live, without loading 43 MB again.
let theme = new URLSearchParams(location.search).get("theme") === "light" ? "light" : "dark";
const queries = [];
const askSystem = window.matchMedia.bind(window);
window.matchMedia = text => {
  const asked = /prefers-color-scheme:\s*(dark|light)/.exec(text);
  if (!asked) return askSystem(text);
  const query = new EventTarget();
  Object.defineProperty(query, "matches", { get: () => theme === asked[1] });
  query.media = text;
  queries.push(query);
  return query;
};
function setTheme(name) {
  theme = name === "light" ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  for (const query of queries) {
    const event = new Event("change");
    Object.defineProperties(event, { matches: { value: query.matches }, media: { value: query.media } });
    query.dispatchEvent(event);
  }
}
setTheme(theme);

// Where the viewer draws in software, each change of time costs four frames of about 100 ms of a
// core: two that show it and two that only look after the layout. Those two are put off, so that
// the next order need not wait for them. Hands, playing and loading get every frame.
const SHOWN_FRAMES = 2;
const PUT_OFF_MS = 120;
const frame = window.requestAnimationFrame.bind(window);
const calm = new URLSearchParams(location.search).has("calm");
let framesLeft = 0;
let livelyUntil = Infinity;
let plays = false;
let putOff = [];
let timer = 0;
const release = () => {
  clearTimeout(timer);
  for (const callback of putOff) frame(callback);
  putOff = [];
};
const liven = ms => {
  livelyUntil = Math.max(livelyUntil, performance.now() + ms);
  release();
};
if (calm) {
  window.requestAnimationFrame = callback => {
    if (plays || performance.now() < livelyUntil || framesLeft-- > 0) return frame(callback);
    // The first one's time counts: one that comes later must not put it off further.
    if (!putOff.length) timer = setTimeout(release, PUT_OFF_MS);
    putOff.push(callback);
    return 0;
  };
  for (const kind of ["pointermove", "pointerdown", "pointerup", "wheel", "keydown", "resize"]) {
    window.addEventListener(kind, () => liven(700), { capture: true, passive: true });
  }
}
// The viewer itself says when it plays, whoever began it, and when a recording arrives.
const heed = event => {
  if (event.includes('"type":"play"')) { plays = true; release(); }
  else if (event.includes('"type":"pause"')) plays = false;
  else if (event.includes('"type":"recording_open"')) { plays = false; liven(3000); }
};

// The viewer writes some 15,000 lines about its shaders while it starts; each would go through Qt.
console.debug = () => {};
console.log = () => {};

const said = error => String((error && error.message) || error).slice(0, 2000);
const toBytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
const toText = bytes => {
  let found = "";
  for (let i = 0; i < bytes.length; i += 32768) {
    found += String.fromCharCode(...bytes.subarray(i, i + 32768));
  }
  return btoa(found);
};
const wake = new Uint8Array([0x1a, 0]); // get_state: an idle viewer sleeps; any request wakes it

(async () => {
  const bridge = await new Promise(
    resolve => new QWebChannel(qt.webChannelTransport, channel => resolve(channel.objects.bridge)));
  const tell = value => bridge.fromViewer(JSON.stringify(value));
  const canvas = document.getElementById("viewer");
  try {
    const module = await wasm_bindgen({ module_or_path: fetch("re_viewer_bg.wasm") });
    const handle = new wasm_bindgen.WebHandle({
      hide_welcome_screen: true,
      check_for_updates_on_startup: false,
      enable_history: false,
      theme: "system",
      on_viewer_event: event => {
        heed(event);
        // The viewer's memory never shrinks: the window starts it afresh before there is too much.
        if (event.includes('"type":"recording_open"')) {
          tell({ type: "memory", bytes: module.memory.buffer.byteLength });
        }
        bridge.fromViewer(event);
      },
    });
    await handle.start(canvas);
    window.viewerHandle = handle; // for tests and for the developer tools

    let channelIsOpen = false;
    const actions = {
      request: async m => {
        const begun = performance.now();
        if (m.timed) { framesLeft = SHOWN_FRAMES; release(); } else liven(1000);
        try {
          const answer = await handle.viewer_control(toBytes(m.data));
          tell({ type: "answer", number: m.number, data: toText(answer) });
        } catch (error) {
          tell({ type: "refused", number: m.number, message: said(error) });
        }
        if (!m.timed) return;
        // It draws on for some frames; only then has it stopped taking time.
        frame(() => frame(
          () => tell({ type: "drawn", number: m.number, ms: performance.now() - begun })));
      },
      // No request selects nothing, but the Escape key does, and it needs no keyboard focus. The
      // first request may be answered before the key is looked at, the second one is not.
      deselect: async m => {
        for (const kind of ["keydown", "keyup"]) {
          canvas.dispatchEvent(new KeyboardEvent(
            kind, { key: "Escape", code: "Escape", bubbles: true, cancelable: true }));
        }
        await handle.viewer_control(wake).catch(() => {});
        actions.request({ number: m.number, data: toText(wake) });
      },
      // Added to a recording that is open. A URL would show a loading screen; a channel does not.
      add: m => {
        if (!channelIsOpen) handle.open_channel("additions", "additions");
        channelIsOpen = true;
        handle.send_rrd_to_channel("additions", toBytes(m.data));
        liven(1000);
        handle.viewer_control(wake).catch(() => {});
      },
      panels: m => {
        for (const [panel, state] of Object.entries(m.states)) handle.override_panel_state(panel, state);
      },
      theme: m => { setTheme(m.name); liven(700); },
    };
    bridge.toViewer.connect(line => {
      const m = JSON.parse(line);
      try { actions[m.type](m); } catch (error) {
        tell({ type: "refused", number: m.number || 0, message: said(error) });
      }
    });

    // The viewer tells nothing of a changed layout or loop. A hand that let go may have done it.
    for (const kind of ["pointerup", "keyup", "wheel"]) {
      window.addEventListener(
        kind, event => { if (event.isTrusted) tell({ type: "touched" }); },
        { capture: true, passive: true });
    }
    canvas.addEventListener("webglcontextlost", () => tell(
      { type: "failed", message: "The 3D viewer lost the graphics card (WebGL context lost)." }));
    const watch = setInterval(() => {
      if (!handle.has_panicked()) return;
      clearInterval(watch);
      tell({ type: "failed", message: handle.panic_message() || "The 3D viewer stopped (panic)." });
    }, 1000);
    livelyUntil = performance.now() + 3000;
    tell({ type: "ready" });
  } catch (error) {
    tell({ type: "failed", message: said(error) });
  }
})();
