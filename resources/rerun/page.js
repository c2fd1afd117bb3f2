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
    await wasm_bindgen({ module_or_path: fetch("re_viewer_bg.wasm") });
    const handle = new wasm_bindgen.WebHandle({
      hide_welcome_screen: true,
      check_for_updates_on_startup: false,
      enable_history: false,
      theme: "system",
      on_viewer_event: event => bridge.fromViewer(event),
    });
    await handle.start(canvas);
    window.viewerHandle = handle; // for tests and for the developer tools

    let channelIsOpen = false;
    const actions = {
      request: async m => {
        const begun = performance.now();
        try {
          const answer = await handle.viewer_control(toBytes(m.data));
          tell({ type: "answer", number: m.number, data: toText(answer) });
        } catch (error) {
          tell({ type: "refused", number: m.number, message: said(error) });
        }
        if (!m.timed) return;
        // It draws on for some frames; only then has it stopped taking time.
        requestAnimationFrame(() => requestAnimationFrame(
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
        handle.viewer_control(wake).catch(() => {});
      },
      panels: m => {
        for (const [panel, state] of Object.entries(m.states)) handle.override_panel_state(panel, state);
      },
      theme: m => setTheme(m.name),
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
    tell({ type: "ready" });
  } catch (error) {
    tell({ type: "failed", message: said(error) });
  }
})();
