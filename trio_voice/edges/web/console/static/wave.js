"use strict";
// Draws the waveform of a recording and moves with the player: above the caller, below what they heard. The page of a live
// call has one once the call is over.
(() => {
  const begin = () => {
    const canvas = document.querySelector("canvas[data-waveform]");
    const audio = document.querySelector("audio");
    if (!canvas) return;
    let wave = {seconds: 0, caller: [], heard: []};

    const draw = () => {
      const scale = window.devicePixelRatio || 1, style = getComputedStyle(document.documentElement);
      const width = canvas.width = canvas.clientWidth * scale, height = canvas.height = canvas.clientHeight * scale;
      const pen = canvas.getContext("2d");
      [[wave.caller, "--caller", 0.25], [wave.heard, "--agent", 0.75]].forEach(([peaks, colour, middle]) => {
        pen.fillStyle = style.getPropertyValue(colour).trim();
        peaks.forEach((peak, at) => {
          const bar = Math.max(scale, Math.sqrt(peak / 255) * height * 0.45);
          pen.fillRect(at / peaks.length * width, height * middle - bar / 2, Math.max(1, width / peaks.length - 0.5), bar);
        });
      });
      if (wave.seconds && audio) {
        pen.fillStyle = style.getPropertyValue("--bad").trim();
        pen.fillRect(audio.currentTime / wave.seconds * width, 0, 2 * scale, height);
      }
    };

    const follow = () => {
      draw();
      let current = null;
      for (const line of document.querySelectorAll(".line[data-at]")) {
        line.classList.remove("playing");
        if (Number(line.dataset.at) <= audio.currentTime + Number(canvas.dataset.at)) current = line;
      }
      if (current && !audio.paused) current.classList.add("playing");
    };

    canvas.addEventListener("click", (event) => {
      if (wave.seconds && audio) audio.currentTime = event.offsetX / canvas.clientWidth * wave.seconds;
    });
    if (audio) for (const name of ["timeupdate", "seeked", "pause", "play"]) audio.addEventListener(name, follow);
    window.addEventListener("resize", draw);
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    fetch(canvas.dataset.waveform).then((answer) => answer.ok ? answer.json() : wave).then((found) => { wave = found; draw(); });
  };

  begin();
  document.body.addEventListener("htmx:afterSwap", begin);
})();
