import{n as o,o as e}from"./c-NUUQLGJR.js";function i(){return e("div",{class:"page-head",children:e("h1",{children:o("common.page.devices")})})}export{i as Devices};
