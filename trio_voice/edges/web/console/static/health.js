"use strict";
// The charts of Health, drawn with uPlot from what /console/health.json says, and anew every half a minute.
(() => {
  const colours = ["--agent", "--warn", "--good", "--caller"];
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const LEAST_SECONDS = 1800; // a chart of a daemon that has just begun is not stretched
  const drawn = new Map();
  const clock = (time) => new Date(time * 1000).toLocaleTimeString("en-GB", {hour: "2-digit", minute: "2-digit"});

  const draw = (place, times, chart) => {
    const plot = place.querySelector(".plot"), axis = {stroke: style("--muted"), grid: {stroke: style("--line"), width: 1}, ticks: {show: false}};
    drawn.get(place)?.destroy();
    drawn.set(place, new uPlot({
      width: plot.clientWidth, height: 130, legend: {show: false}, cursor: {show: false}, scales: {x: {range: (_, low, high) => [Math.min(low, high - LEAST_SECONDS), high]}, y: {range: (_, low, high) => [0, high > 0 ? high * 1.15 : 1]}},
      axes: [{...axis, size: 22, font: "11px system-ui", space: 60, values: (_, times) => times.map(clock)}, {...axis, size: 46, font: "11px system-ui"}],
      series: [{}, ...chart.series.map((each, at) => ({label: each.name, stroke: style(colours[at % colours.length]), width: 1.5, spanGaps: true, points: {show: times.length < 60, size: 3}}))],
    }, [times, ...chart.series.map((each) => each.values)], plot));
  };

  const load = async () => {
    const answer = await fetch("/console/health.json");
    if (answer.status === 401) location.reload(); // signed out: to the page that says so
    if (!answer.ok) return;
    const {times, charts} = await answer.json();
    for (const place of document.querySelectorAll("[data-chart]")) {
      const chart = charts[Number(place.dataset.chart)];
      if (chart && times.length) draw(place, times, chart);
    }
  };

  load();
  setInterval(load, 30000);
  window.addEventListener("resize", load);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", load);
})();
